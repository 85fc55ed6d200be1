/** Service ports for tests, written as people write them. */

import { type Cidr, parseCidr } from '../../../shared/ip/cidr.ts';
import type { ModeSettings, ServicePorts } from '../mode.ts';
import { type Address, type Endpoint, endpointOf, type Family, parseAddress } from '../model/endpoint.ts';
import type { Frontend, Protocol, ServicePort, ServicePortName } from '../model/service-port.ts';

export function address(text: string): Address {
  const found = parseAddress(text);
  if (found === undefined) throw new Error(`not an address: ${text}`);
  return found;
}

/** `10.0.0.1:80`, `[fd00::1]:80` */
export function endpoint(text: string): Endpoint {
  const at = text.lastIndexOf(':');
  return endpointOf(address(text.slice(0, at).replace(/^\[|\]$/g, '')), Number(text.slice(at + 1)));
}

export function cidr(text: string): Cidr {
  const found = parseCidr(text);
  if (found === undefined) throw new Error(`not a network: ${text}`);
  return found;
}

export interface PortText {
  readonly name: string;
  readonly protocol?: Protocol;
  /** `cluster-ip 10.96.0.1:80`, `load-balancer 1.2.3.4:80 local`, `node-port 30080` */
  readonly frontends: readonly string[];
  readonly endpoints?: readonly string[];
  readonly local?: readonly string[];
  readonly affinity?: number;
  readonly sources?: readonly string[];
  readonly healthCheck?: number;
}

export function port(text: PortText): ServicePort {
  return {
    name: text.name,
    service: text.name.split(':')[0] ?? '',
    protocol: text.protocol ?? 'TCP',
    frontends: text.frontends.map(frontend),
    endpoints: (text.endpoints ?? []).map(endpoint),
    localEndpoints: (text.local ?? []).map(endpoint),
    ...(text.affinity !== undefined && { affinity: text.affinity }),
    ...(text.sources !== undefined && { sourceRanges: text.sources.map(cidr) }),
    ...(text.healthCheck !== undefined && { healthCheckPort: text.healthCheck }),
  };
}

function frontend(text: string): Frontend {
  const [kind, where = '', policy = 'cluster'] = text.split(' ');
  const at = where.lastIndexOf(':');
  return {
    kind: kind as Frontend['kind'],
    ...(kind !== 'node-port' && { address: address(where.slice(0, at).replace(/^\[|\]$/g, '')) }),
    port: Number(where.slice(at + 1)),
    policy: policy as Frontend['policy'],
  };
}

/** Service ports that a test changes as it goes. */
export class Ports implements ServicePorts {
  readonly #ports = new Map<ServicePortName, ServicePort>();

  constructor(...ports: readonly ServicePort[]) {
    for (const one of ports) this.set(one);
  }

  get size(): number {
    return this.#ports.size;
  }

  get(name: ServicePortName): ServicePort | undefined {
    return this.#ports.get(name);
  }

  set(one: ServicePort): void {
    this.#ports.set(one.name, one);
  }

  delete(name: ServicePortName): void {
    this.#ports.delete(name);
  }

  [Symbol.iterator](): Iterator<ServicePort> {
    return this.#ports.values();
  }
}

export function settings(family: Family, more: Partial<ModeSettings> = {}): ModeSettings {
  return {
    family,
    masqueradeBit: 14,
    masqueradeAll: false,
    localDetector: { by: 'source', networks: [cidr(family === 4 ? '10.244.0.0/16' : 'fd00:244::/64')] },
    nodePortAddresses: 'all',
    serviceCidrs: [cidr(family === 4 ? '10.96.0.0/16' : 'fd00:96::/112')],
    ...more,
  };
}
