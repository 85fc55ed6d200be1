/**
 * All service ports of one address family, kept up to date: what changes is only marked, and worked out when it is asked
 * for. A change costs what the Service's own endpoints cost. Pure.
 */

import type { Cidr } from '../../../shared/ip/cidr.ts';
import { contains } from '../../../shared/ip/cidr.ts';
import { familyBits, type Ip } from '../../../shared/ip/ip.ts';
import { Claims, frontendKey } from './claims.ts';
import { type Address, addressOf, type Family, familyOf, unpackAddress } from './endpoint.ts';
import type { SliceInfo } from './endpoint-slice.ts';
import { type Candidate, choose, isLocal, isReady, mergeEndpoints } from './merge-endpoints.ts';
import type { PortInfo, ServiceInfo } from './service.ts';
import type { Frontend, ServicePort, ServicePortName } from './service-port.ts';

/** What a service port depends on besides its Service and its slices. */
export interface NodePlace {
  /** topology.kubernetes.io/zone of this node. */
  readonly zone?: string;
  /** This node's own addresses, of both families. */
  readonly addresses: readonly Ip[];
}

/** What one call of `take` came to. */
export interface ModelChanges {
  /** New, different, or gone. */
  readonly ports: ReadonlySet<ServicePortName>;
  /** Services that were looked at: their health checks may have changed. */
  readonly services: ReadonlySet<string>;
  /** When what led to this happened, where the control plane says so (ms since the epoch). */
  readonly triggered: readonly number[];
}

/** Ports of a Service without any, which most are not. */
const NO_SLICES: ReadonlyMap<string, SliceInfo> = new Map();

export class ServiceModel {
  readonly family: Family;
  #node: NodePlace;
  readonly #services = new Map<string, ServiceInfo>();
  /** By Service, then by the slice's own name. */
  readonly #slices = new Map<string, Map<string, SliceInfo>>();
  /** Which Service a slice was of when it was last seen. */
  readonly #serviceOf = new Map<string, string>();
  readonly #ports = new Map<ServicePortName, ServicePort>();
  readonly #portsOf = new Map<string, readonly ServicePortName[]>();
  readonly #claims = new Claims();
  readonly #dirty = new Set<string>();
  #triggered: number[] = [];

  constructor(family: Family, node: NodePlace = { addresses: [] }) {
    this.family = family;
    this.#node = node;
  }

  get size(): number {
    return this.#ports.size;
  }

  get(name: ServicePortName): ServicePort | undefined {
    return this.#ports.get(name);
  }

  [Symbol.iterator](): Iterator<ServicePort> {
    return this.#ports.values();
  }

  /** @param key `namespace/name` @param service `undefined`: it is gone */
  setService(key: string, service: ServiceInfo | undefined): void {
    if (service) this.#services.set(key, service);
    else this.#services.delete(key);
    this.#dirty.add(key);
  }

  /** @param key `namespace/name` of the slice @param slice `undefined`: it is gone. Of the other family: ignored */
  setSlice(key: string, slice: SliceInfo | undefined): void {
    const before = this.#serviceOf.get(key);
    const service = slice?.family === this.family ? slice.service : undefined;
    if (before !== undefined && before !== service) {
      const rest = this.#slices.get(before);
      rest?.delete(key);
      if (rest?.size === 0) this.#slices.delete(before);
      this.#serviceOf.delete(key);
      this.#dirty.add(before);
    }
    if (!slice || service === undefined) return;
    const slices = this.#slices.get(service) ?? new Map<string, SliceInfo>();
    this.#slices.set(service, slices.set(key, slice));
    this.#serviceOf.set(key, service);
    this.#dirty.add(service);
    if (slice.triggered !== undefined) this.#triggered.push(slice.triggered);
  }

  /** The node's zone or addresses are others now: what depends on them is worked out anew. */
  setNode(node: NodePlace): void {
    const zoneChanged = node.zone !== this.#node.zone;
    this.#node = node;
    for (const [key, { sourceRanges }] of this.#services) {
      const hasZones = zoneChanged && [...this.#slicesOf(key)].some(({ zones }) => zones !== undefined);
      if (hasZones || sourceRanges) this.#dirty.add(key);
    }
  }

  get hasChanges(): boolean {
    return this.#dirty.size > 0;
  }

  /** Works out what was marked. */
  take(): ModelChanges {
    const ports = new Set<ServicePortName>();
    const services = new Set<string>();
    // Who loses or gets a frontend by it is marked meanwhile, and is looked at in the same turn.
    for (const key of this.#dirty) {
      this.#dirty.delete(key);
      services.add(key);
      this.#refresh(key, ports);
    }
    const triggered = this.#triggered;
    this.#triggered = [];
    return { ports, services, triggered };
  }

  /** Everybody that may serve a port, and whether they do. */
  candidates(name: ServicePortName): readonly Candidate[] {
    const service = this.#ports.get(name)?.service;
    const info = service === undefined ? undefined : this.#services.get(service);
    const port = info?.ports.find((each) => portName(info.key, each) === name);
    return service === undefined || !port ? [] : mergeEndpoints(this.#slicesOf(service), port);
  }

  /** What a load balancer that asks this node is told of a Service. */
  healthCheck(key: string): { readonly port: number; readonly localEndpoints: number } | undefined {
    const info = this.#services.get(key);
    if (info?.healthCheckPort === undefined || !this.#isServed(info)) return undefined;
    const addresses = new Set<Address>();
    for (const port of info.ports)
      for (const candidate of mergeEndpoints(this.#slicesOf(key), port))
        if (isReady(candidate) && isLocal(candidate)) addresses.add(addressOf(candidate.endpoint));
    return { port: info.healthCheckPort, localEndpoints: addresses.size };
  }

  /** What is wrong with a Service, in words. */
  problems(key: string): readonly string[] {
    const info = this.#services.get(key);
    if (!info) return [];
    const lost = info.ports.flatMap((port) => {
      const name = portName(key, port);
      return this.#wanted(info, port).flatMap((frontend) => {
        const owner = this.#claims.ownerOf(frontendKey(port.protocol, frontend));
        const what = frontend.kind === 'node-port' ? 'node port' : `${frontend.kind} port`;
        return owner === name
          ? []
          : [`${what} ${frontend.port} is served for ${owner}, which claimed it first`];
      });
    });
    return [...info.problems, ...lost];
  }

  #slicesOf(service: string): Iterable<SliceInfo> {
    return (this.#slices.get(service) ?? NO_SLICES).values();
  }

  /** It has an address of this family. */
  #isServed(info: ServiceInfo): boolean {
    return info.clusterIps.some((address) => familyOf(address) === this.family);
  }

  #refresh(key: string, changed: Set<ServicePortName>): void {
    const info = this.#services.get(key);
    const ports = info && this.#isServed(info) ? distinct(info) : new Map<ServicePortName, PortInfo>();
    for (const name of this.#portsOf.get(key) ?? []) {
      if (ports.has(name)) continue;
      this.#release(name, new Set());
      this.#ports.delete(name);
      this.#frontendsOf.delete(name);
      changed.add(name);
    }
    if (ports.size > 0) this.#portsOf.set(key, [...ports.keys()]);
    else this.#portsOf.delete(key);
    if (!info) return;
    for (const [name, port] of ports) this.#claim(info, name, port);
    for (const [name, port] of ports) {
      const next = this.#resolve(info, name, port);
      const before = this.#ports.get(name);
      if (before && samePort(before, next)) continue;
      this.#ports.set(name, next);
      changed.add(name);
    }
  }

  /** The keys that each port claims. */
  readonly #frontendsOf = new Map<ServicePortName, ReadonlySet<string>>();

  #claim(info: ServiceInfo, name: ServicePortName, port: PortInfo): void {
    const keys = new Set(this.#wanted(info, port).map((frontend) => frontendKey(port.protocol, frontend)));
    this.#release(name, keys);
    const order = `${info.created}\0${name}`;
    for (const key of keys) this.#mark(this.#claims.claim(key, name, order));
    this.#frontendsOf.set(name, keys);
  }

  #release(name: ServicePortName, kept: ReadonlySet<string>): void {
    for (const key of this.#frontendsOf.get(name) ?? [])
      if (!kept.has(key)) this.#mark(this.#claims.release(key, name));
  }

  /** Another port's frontends are others now. */
  #mark(name: ServicePortName | undefined): void {
    if (name !== undefined) this.#dirty.add(serviceOf(name));
  }

  #resolve(info: ServiceInfo, name: ServicePortName, port: PortInfo): ServicePort {
    const candidates = mergeEndpoints(this.#slicesOf(info.key), port);
    const { endpoints, localEndpoints } = choose(candidates, this.#node.zone);
    const sourceRanges = info.sourceRanges && this.#allowed(info, info.sourceRanges);
    return {
      name,
      service: info.key,
      protocol: port.protocol,
      frontends: this.#wanted(info, port).filter(
        (frontend) => this.#claims.ownerOf(frontendKey(port.protocol, frontend)) === name,
      ),
      endpoints: endpoints.map(({ endpoint }) => endpoint),
      localEndpoints: localEndpoints.map(({ endpoint }) => endpoint),
      ...(info.affinity !== undefined && { affinity: info.affinity }),
      ...(sourceRanges && { sourceRanges }),
    };
  }

  /** All ways to reach a port in this family, each once. */
  #wanted(info: ServiceInfo, { port, nodePort }: PortInfo): Frontend[] {
    const own = (addresses: readonly Address[]): Address[] =>
      addresses.filter((address) => familyOf(address) === this.family);
    const { internalPolicy, externalPolicy } = info;
    const frontends = new Map<string, Frontend>();
    const add = (kind: Frontend['kind'], addresses: readonly Address[], policy: Frontend['policy']): void => {
      for (const address of own(addresses))
        if (!frontends.has(address)) frontends.set(address, { kind, address, port, policy });
    };
    add('cluster-ip', info.clusterIps, internalPolicy);
    // A load balancer's address may be among the external ones: its source ranges must count then.
    add('load-balancer', info.loadBalancerIps, externalPolicy);
    add('external-ip', info.externalIps, externalPolicy);
    const all = [...frontends.values()];
    if (nodePort !== undefined) all.push({ kind: 'node-port', port: nodePort, policy: externalPolicy });
    return all;
  }

  /** A range that has the node's own address allows the balancer's, too: what the node sends there comes from it. */
  #allowed({ loadBalancerIps }: ServiceInfo, ranges: readonly Cidr[]): Cidr[] {
    const own = ranges.filter(({ ip }) => ip.family === this.family);
    if (!this.#node.addresses.some((address) => own.some((range) => contains(range, address)))) return own;
    const virtual = loadBalancerIps.filter((address) => familyOf(address) === this.family);
    return [
      ...own,
      ...virtual.map((address) => ({ ip: unpackAddress(address), prefix: familyBits(this.family) })),
    ];
  }
}

export function portName(service: string, { name }: Pick<PortInfo, 'name'>): ServicePortName {
  return name === '' ? service : `${service}:${name}`;
}

/** Names of objects have no colon. */
function serviceOf(name: ServicePortName): string {
  return name.split(':', 1)[0] as string;
}

/** Ports by name; the same name twice, which the API server refuses, is the first. */
function distinct(info: ServiceInfo): Map<ServicePortName, PortInfo> {
  const ports = new Map<ServicePortName, PortInfo>();
  for (const port of info.ports) {
    const name = portName(info.key, port);
    if (!ports.has(name)) ports.set(name, port);
  }
  return ports;
}

function samePort(a: ServicePort, b: ServicePort): boolean {
  return (
    a.protocol === b.protocol &&
    a.affinity === b.affinity &&
    sameList(a.endpoints, b.endpoints, Object.is) &&
    sameList(a.localEndpoints, b.localEndpoints, Object.is) &&
    sameList(a.frontends, b.frontends, sameFrontend) &&
    (a.sourceRanges === undefined) === (b.sourceRanges === undefined) &&
    sameList(a.sourceRanges ?? [], b.sourceRanges ?? [], sameCidr)
  );
}

function sameList<T>(a: readonly T[], b: readonly T[], same: (a: T, b: T) => boolean): boolean {
  return a.length === b.length && a.every((item, index) => same(item, b[index] as T));
}

function sameFrontend(a: Frontend, b: Frontend): boolean {
  return a.kind === b.kind && a.address === b.address && a.port === b.port && a.policy === b.policy;
}

function sameCidr(a: Cidr, b: Cidr): boolean {
  return a.prefix === b.prefix && a.ip.family === b.ip.family && a.ip.value === b.ip.value;
}
