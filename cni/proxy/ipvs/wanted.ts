/** What a service port takes: virtual servers, entries of sets, rules. Pure. */

import { type Cidr, contains, containsCidr } from '../../../shared/ip/cidr.ts';
import { IP_VS_SVC_F } from '../../../shared/netlink/codec/ipvs.ts';
import type { RuleText } from '../iptables/tables.ts';
import type { ModeSettings } from '../mode.ts';
import { type Address, addressOf, type Endpoint, portOf, unpackAddress } from '../model/endpoint.ts';
import { type Frontend, type ServicePort, type Treatment, treatmentOf } from '../model/service-port.ts';
import {
  type EntryKey,
  ipEntry,
  ipPortEntry,
  ipPortIpEntry,
  ipPortNetEntries,
  portEntry,
  type ServerKey,
  serverKeyOf,
} from './keys.ts';
import { NODE_PORTS, type SetKey } from './names.ts';
import { nodeRefusal } from './rules.ts';

export interface IpvsSettings extends ModeSettings {
  /** IPVS's name of it: `rr`. */
  readonly scheduler: string;
  /** The node's own: every address of this family but those of our device, loopback and IPv6's link-local ones. */
  readonly nodeAddresses: readonly Address[];
}

export interface WantedServer {
  /** Bits of IP_VS_SVC_F. */
  readonly flags: number;
  /** Seconds that a client stays with its endpoint; 0: it does not. */
  readonly timeout: number;
  /** Without any, who asks is told that nobody is there. */
  readonly endpoints: readonly Endpoint[];
}

export interface Wanted {
  readonly servers: ReadonlyMap<ServerKey, WantedServer>;
  /** Several ports may want the same. What is in the set `addresses` is bound to the device as well. */
  readonly entries: ReadonlyMap<SetKey, ReadonlySet<EntryKey>>;
  /** Of the chain KUBE-IPVS-OUT-FILTER. */
  readonly rules: readonly RuleText[];
}

export const NOTHING: Wanted = { servers: new Map(), entries: new Map(), rules: [] };

/** How a frontend is served; how it is masqueraded is what the sets are for. */
interface Service {
  /** `undefined`: no virtual server at all, so that the guard answers the node as well: with silence. */
  readonly endpoints: readonly Endpoint[] | undefined;
  /** Who may come in from other machines and from pods; `undefined`: everybody. */
  readonly allowed?: readonly Cidr[];
}

export function wantedOf(port: ServicePort, settings: IpvsSettings): Wanted {
  const collected = new Collector(port, settings);
  for (const frontend of port.frontends) collected.frontend(frontend);
  collected.hairpins();
  collected.healthCheck();
  return collected;
}

class Collector implements Wanted {
  readonly servers = new Map<ServerKey, WantedServer>();
  readonly entries = new Map<SetKey, Set<EntryKey>>();
  readonly rules: RuleText[] = [];
  readonly #port: ServicePort;
  readonly #settings: IpvsSettings;

  constructor(port: ServicePort, settings: IpvsSettings) {
    this.#port = port;
    this.#settings = settings;
  }

  frontend(frontend: Frontend): void {
    const { masqueradeAll, localDetector, nodeAddresses } = this.#settings;
    const treatment = treatmentOf(this.#port, frontend, {
      masqueradeAll,
      detectsLocal: localDetector.by !== 'nothing',
    });
    const service = this.#serviceOf(treatment, frontend);
    const { address, kind } = frontend;
    if (address === undefined) {
      this.#nodePort(frontend, service);
      return;
    }
    const key = serverKeyOf(address, frontend.port, this.#port.protocol);
    const entry = ipPortEntry(key);
    const isLocal = frontend.policy === 'local';
    if (kind === 'cluster-ip') this.#add('clusterIp', entry);
    else if (kind === 'external-ip') this.#add(isLocal ? 'externalIpLocal' : 'externalIp', entry);
    else {
      this.#add('loadBalancer', entry);
      if (isLocal) this.#add('loadBalancerLocal', entry);
      if (this.#port.sourceRanges) this.#nodeAccess(key, address, this.#port.sourceRanges);
    }
    this.#serve(key, service);
    // What is an address of the node already must not be lost with our device.
    if (kind === 'cluster-ip' || !nodeAddresses.includes(address)) this.#add('addresses', ipEntry(address));
  }

  /** Who talks to itself through a service is masqueraded. */
  hairpins(): void {
    for (const endpoint of this.#port.localEndpoints) {
      const address = addressOf(endpoint);
      this.#add(
        'loopBack',
        ipPortIpEntry(serverKeyOf(address, portOf(endpoint), this.#port.protocol), address),
      );
    }
  }

  /** What listens there is to be reached, whatever else is let in. */
  healthCheck(): void {
    const { healthCheckPort } = this.#port;
    if (healthCheckPort !== undefined) this.#add('healthCheckNodePort', portEntry(healthCheckPort));
  }

  #serviceOf(treatment: Treatment, frontend: Frontend): Service {
    const { endpoints, localEndpoints, sourceRanges } = this.#port;
    const ranges = frontend.kind === 'load-balancer' && sourceRanges ? { allowed: sourceRanges } : {};
    switch (treatment.to) {
      case 'reject':
        return { endpoints: [], ...ranges };
      case 'drop':
        return { endpoints: undefined, allowed: [] };
      case 'cluster':
        return { endpoints, ...ranges };
      case 'local':
        return { endpoints: localEndpoints, ...ranges };
      case 'by-source': {
        if (localEndpoints.length > 0) return { endpoints: localEndpoints, ...ranges };
        const pods = this.#podNetworks();
        if (pods === undefined) return { endpoints, ...ranges };
        return { endpoints, allowed: ranges.allowed ? common(pods, ranges.allowed) : pods };
      }
      default:
        return treatment satisfies never;
    }
  }

  /** Where pods' traffic comes from; `undefined`: it is told by its interface, of which sets know nothing. */
  #podNetworks(): readonly Cidr[] | undefined {
    const { localDetector } = this.#settings;
    if (localDetector.by === 'nothing') return [];
    return localDetector.by === 'source' ? localDetector.networks : undefined;
  }

  #nodePort({ port, policy }: Frontend, service: Service): void {
    const { protocol } = this.#port;
    const sets = NODE_PORTS[protocol];
    const mark = (entry: EntryKey): void => {
      this.#add(sets.all, entry);
      if (policy === 'local') this.#add(sets.local, entry);
    };
    // Sets of ports alone are of TCP or UDP.
    if (protocol !== 'SCTP') mark(portEntry(port));
    for (const address of nodePortAddresses(this.#settings)) {
      const key = serverKeyOf(address, port, protocol);
      if (protocol === 'SCTP') mark(ipPortEntry(key));
      this.#serve(key, service);
    }
  }

  #serve(key: ServerKey, { endpoints, allowed }: Service): void {
    const { affinity } = this.#port;
    if (endpoints !== undefined)
      this.servers.set(key, {
        flags:
          schedulerFlags(this.#settings.scheduler) | (affinity === undefined ? 0 : IP_VS_SVC_F.PERSISTENT),
        timeout: affinity ?? 0,
        endpoints,
      });
    if (allowed === undefined) return;
    this.#add('guarded', ipPortEntry(key));
    for (const network of allowed)
      for (const entry of ipPortNetEntries(key, network)) this.#add('sourceCidr', entry);
  }

  /** The node's own connections to an address of the device come from that address. */
  #nodeAccess(key: ServerKey, address: Address, ranges: readonly Cidr[]): void {
    const { nodeAddresses } = this.#settings;
    const isIn = (one: Address): boolean => ranges.some((range) => contains(range, unpackAddress(one)));
    if (nodeAddresses.some(isIn)) this.#add('sourceIp', ipPortIpEntry(key, address));
    else this.rules.push(nodeRefusal(key));
  }

  #add(set: SetKey, entry: EntryKey): void {
    const known = this.entries.get(set);
    if (known) known.add(entry);
    else this.entries.set(set, new Set([entry]));
  }
}

/**
 * Of `mh` it is the source's port that counts as well, as with kube-proxy. With `sh` a client whose endpoint drains gets
 * another one; without the flag it would be refused.
 */
function schedulerFlags(scheduler: string): number {
  if (scheduler === 'mh') return IP_VS_SVC_F.SCHED2;
  return scheduler === 'sh' ? IP_VS_SVC_F.SCHED1 : 0;
}

/** Loopback addresses are none of the node's in this sense. */
function nodePortAddresses({ nodePortAddresses: served, nodeAddresses }: IpvsSettings): readonly Address[] {
  if (served === 'all') return nodeAddresses;
  return nodeAddresses.filter((address) =>
    served.some((network) => contains(network, unpackAddress(address))),
  );
}

/** What is in both: of two networks one holds the other, or they have nothing in common. */
function common(some: readonly Cidr[], others: readonly Cidr[]): Cidr[] {
  return some.flatMap((one) =>
    others.flatMap((other) => {
      if (containsCidr(other, one)) return [one];
      return containsCidr(one, other) ? [other] : [];
    }),
  );
}
