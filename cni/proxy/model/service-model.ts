/**
 * All service ports of one address family, kept up to date: what changes is only marked, and worked out when it is asked
 * for. A change costs what the Service's own endpoints cost. Pure.
 */

import type { Ip } from '../../../shared/ip/ip.ts';
import { chooseEndpoints } from './choose-endpoints.ts';
import { Claims, frontendKey } from './claims.ts';
import { type Address, addressOf, type Family } from './endpoint.ts';
import { LOCAL, READY, type SliceInfo } from './endpoint-slice.ts';
import { formatFrontend } from './explain.ts';
import { type Candidate, candidatesOf, mergeEndpoints } from './merge-endpoints.ts';
import { reuse } from './same-port.ts';
import type { ServiceInfo } from './service.ts';
import type { Frontend, ServicePort, ServicePortName } from './service-port.ts';
import { allowedSources, isServed, type WantedPort, wantedFrontends, wantedPorts } from './wanted.ts';

/** What a service port depends on besides its Service and its slices. */
export interface NodePlace {
  /** topology.kubernetes.io/zone of this node. */
  readonly zone?: string;
  /** This node's own addresses, of each family the main one first. */
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

/** All that is known of one Service. There are tens of thousands. */
interface Entry {
  /** Absent where only slices are known, or the Service is none of this family's. */
  info: ServiceInfo | undefined;
  /** Whose claims are made: `info` once it was worked out. */
  claimed: ServiceInfo | undefined;
  wanted: readonly WantedPort[];
  /** By their names, and so are endpoints: in the same order after a restart. */
  slices: readonly NamedSlice[];
}

interface NamedSlice {
  /** `namespace/name` */
  readonly key: string;
  readonly slice: SliceInfo;
}

const NONE: readonly never[] = [];
/** More are a sample: nobody may ask for days. */
const MOST_TRIGGERS = 10_000;

export class ServiceModel {
  readonly family: Family;
  #node: NodePlace;
  readonly #entries = new Map<string, Entry>();
  /** Which Service a slice was of when it was last seen. */
  readonly #serviceOf = new Map<string, string>();
  readonly #ports = new Map<ServicePortName, ServicePort>();
  readonly #claims = new Claims<WantedPort>();
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
    const info = service && this.#concerns(service) ? service : undefined;
    const known = this.#entries.get(key);
    if (known) known.info = info;
    else if (info) this.#entry(key).info = info;
    else return;
    this.#dirty.add(key);
  }

  /** @param key `namespace/name` of the slice @param slice `undefined`: it is gone. Of the other family: ignored */
  setSlice(key: string, slice: SliceInfo | undefined): void {
    const own = slice?.family === this.family ? slice : undefined;
    const before = this.#serviceOf.get(key);
    if (before !== undefined && before !== own?.service) {
      const entry = this.#entry(before);
      entry.slices = entry.slices.filter((other) => other.key !== key);
      this.#serviceOf.delete(key);
      this.#dirty.add(before);
    }
    if (!own) return;
    const entry = this.#entry(own.service);
    const named = { key, slice: own };
    entry.slices =
      before === own.service
        ? entry.slices.map((other) => (other.key === key ? named : other))
        : [...entry.slices, named].sort((a, b) => (a.key < b.key ? -1 : 1));
    this.#serviceOf.set(key, own.service);
    this.#dirty.add(own.service);
    if (own.triggered !== undefined && this.#triggered.length < MOST_TRIGGERS)
      this.#triggered.push(own.triggered);
  }

  /** The node's zone or addresses are others now: what depends on them is worked out anew. */
  setNode(node: NodePlace): void {
    const isZoneNew = node.zone !== this.#node.zone;
    this.#node = node;
    for (const [key, { info, slices }] of this.#entries) {
      const hasZones = isZoneNew && slices.some(({ slice }) => slice.zones !== undefined);
      if (hasZones || info?.sourceRanges) this.#dirty.add(key);
    }
  }

  get hasChanges(): boolean {
    return this.#dirty.size > 0;
  }

  /** Works out what was marked. */
  take(): ModelChanges {
    const ports = new Set<ServicePortName>();
    const services = new Set(this.#dirty);
    this.#dirty.clear();
    // All claims first: who loses or gets a frontend by them is looked at as well, once.
    for (const key of [...services]) this.#claim(key, ports, services);
    for (const key of services) this.#resolve(key, ports);
    const triggered = this.#triggered;
    this.#triggered = [];
    return { ports, services, triggered };
  }

  /** Everybody that may serve a port, and whether they do. */
  candidates(name: ServicePortName): readonly Candidate[] {
    const entry = this.#entries.get(this.#ports.get(name)?.service ?? '');
    const port = entry?.wanted.find((wanted) => wanted.name === name);
    return entry && port ? candidatesOf(slicesOf(entry), port.info, this.#node.zone) : NONE;
  }

  /** What a load balancer that asks this node is told of a Service. */
  healthCheck(key: string): { readonly port: number; readonly localEndpoints: number } | undefined {
    const entry = this.#entries.get(key);
    const port = entry?.info?.healthCheckPort;
    if (!entry || port === undefined) return undefined;
    const wanted = READY | LOCAL;
    const addresses = new Set<Address>();
    for (const { info } of entry.wanted) {
      const { endpoints, flags } = mergeEndpoints(slicesOf(entry), info, this.#node.zone);
      for (const [index, endpoint] of endpoints.entries())
        if (((flags[index] as number) & wanted) === wanted) addresses.add(addressOf(endpoint));
    }
    return { port, localEndpoints: addresses.size };
  }

  /** What is wrong with a Service and its slices, in words. */
  problems(key: string): readonly string[] {
    const entry = this.#entries.get(key);
    if (!entry?.info) return NONE;
    const { info, slices } = entry;
    const ofSlices = slices.flatMap((named) =>
      (named.slice.problems ?? NONE).map((problem) => `slice ${named.key}: ${problem}`),
    );
    const lost = this.#claims.contested === 0 ? NONE : this.#lost(info, entry.wanted);
    return ofSlices.length === 0 && lost.length === 0
      ? info.problems
      : [...info.problems, ...ofSlices, ...lost];
  }

  /** What others claimed before. */
  #lost(info: ServiceInfo, wanted: readonly WantedPort[]): string[] {
    return wanted.flatMap((port) =>
      this.#frontends(info, port, (owner) => owner !== port).map((frontend) => {
        const owner = this.#claims.ownerOf(frontendKey(port.info.protocol, frontend));
        return `${formatFrontend(frontend)} (${frontend.kind}) is served for ${owner?.name}, which claimed it first`;
      }),
    );
  }

  /** One of the other family only would take room for nothing. */
  #concerns(info: ServiceInfo): boolean {
    return isServed(info, this.family) || info.problems.length > 0;
  }

  #entry(key: string): Entry {
    const known = this.#entries.get(key);
    if (known) return known;
    const entry: Entry = { info: undefined, claimed: undefined, wanted: NONE, slices: NONE };
    this.#entries.set(key, entry);
    return entry;
  }

  /** Makes the claims of a Service those that it has now. @param others gets those for whom that makes a difference */
  #claim(key: string, gone: Set<ServicePortName>, others: Set<string>): void {
    const entry = this.#entries.get(key);
    if (!entry || entry.claimed === entry.info) return;
    const { claimed, info, wanted: before } = entry;
    const now = info && isServed(info, this.family) ? wantedPorts(info) : NONE;
    if (claimed)
      for (const port of before)
        for (const frontend of wantedFrontends(claimed, port.info, this.family)) {
          for (const { service } of this.#claims.release(frontendKey(port.info.protocol, frontend), port))
            others.add(service);
        }
    if (info)
      for (const port of now)
        for (const frontend of wantedFrontends(info, port.info, this.family)) {
          for (const { service } of this.#claims.claim(frontendKey(port.info.protocol, frontend), port))
            others.add(service);
        }
    for (const { name } of before)
      if (!now.some((port) => port.name === name) && this.#ports.delete(name)) gone.add(name);
    entry.claimed = info;
    entry.wanted = now;
  }

  #resolve(key: string, changed: Set<ServicePortName>): void {
    const entry = this.#entries.get(key);
    if (!entry) return;
    if (!entry.info && entry.slices.length === 0) this.#entries.delete(key);
    for (const port of entry.wanted) {
      const before = this.#ports.get(port.name);
      const next = reuse(before, this.#port(entry, port));
      if (next === before) continue;
      this.#ports.set(port.name, next);
      changed.add(port.name);
    }
  }

  #port(entry: Entry, port: WantedPort): ServicePort {
    const info = entry.info as ServiceInfo;
    const merged = mergeEndpoints(slicesOf(entry), port.info, this.#node.zone);
    const { endpoints, localEndpoints } = chooseEndpoints(merged);
    const sourceRanges = allowedSources(info, this.family, this.#node.addresses);
    return {
      name: port.name,
      service: port.service,
      protocol: port.info.protocol,
      frontends: this.#frontends(info, port, (owner) => owner === port),
      endpoints,
      localEndpoints,
      ...(info.affinity !== undefined && { affinity: info.affinity }),
      ...(sourceRanges && { sourceRanges }),
      ...(info.healthCheckPort !== undefined && { healthCheckPort: info.healthCheckPort }),
    };
  }

  #frontends(
    info: ServiceInfo,
    port: WantedPort,
    isMeant: (owner: WantedPort | undefined) => boolean,
  ): Frontend[] {
    return wantedFrontends(info, port.info, this.family).filter((frontend) =>
      isMeant(this.#claims.ownerOf(frontendKey(port.info.protocol, frontend))),
    );
  }
}

function slicesOf({ slices }: Entry): SliceInfo[] {
  return slices.map(({ slice }) => slice);
}
