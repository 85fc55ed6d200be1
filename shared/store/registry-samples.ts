import { type Cidr, formatCidr, parseCidr } from '../ip/cidr.ts';
import { type Ip, parseIp } from '../ip/ip.ts';
import type { LeaseBatch, LeaseEvent, NodeInfo, NodeLease, NodeRegistry } from './registry.ts';

/** Parses what a test writes. */
export function cidr(text: string): Cidr {
  const parsed = parseCidr(text);
  if (parsed === undefined) throw new Error(`not a CIDR: ${text}`);
  return parsed;
}

/** Parses what a test writes. */
export function ip(text: string): Ip {
  const parsed = parseIp(text);
  if (parsed === undefined) throw new Error(`not an address: ${text}`);
  return parsed;
}

/** A node with vxlan data whose public address ends in `n`. */
export function sampleNode(name: string, n: number, more: Partial<NodeInfo> = {}): NodeInfo {
  return {
    name,
    publicIp: ip(`192.0.2.${n}`),
    publicIpV6: ip(`2001:db8::${n}`),
    backend: {
      type: 'vxlan',
      data: { VNI: 1, VtepMAC: `02:00:00:00:00:0${n}` },
      v6Data: { VNI: 1, VtepMAC: 'x' },
    },
    ...more,
  };
}

/** What `acquire` and the events hand out, as text. */
export function show({ node, subnet, subnetV6 }: NodeLease): string {
  return [node, subnet && formatCidr(subnet), subnetV6 && formatCidr(subnetV6)].filter(Boolean).join(' ');
}

/** A running watch whose batches are pulled one by one. */
export class LeaseWatcher implements AsyncDisposable {
  readonly #abort = new AbortController();
  readonly #batches: AsyncIterator<LeaseBatch>;
  version: string;

  constructor(registry: NodeRegistry, version: string) {
    this.version = version;
    this.#batches = registry.watch(version, this.#abort.signal)[Symbol.asyncIterator]();
  }

  async next(): Promise<readonly LeaseEvent[]> {
    const { value } = await this.#batches.next();
    if (value === undefined) return [];
    this.version = value.version;
    return value.events;
  }

  async texts(): Promise<string[]> {
    const events = await this.next();
    return events.map((event) =>
      event.type === 'set' ? `set ${show(event.lease)}` : `removed ${event.node} ${event.reason}`,
    );
  }

  abort(): void {
    this.#abort.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.abort();
    await this.#batches.return?.();
  }
}
