/** Everybody who may serve one service port, from all slices of its Service. Pure. */

import { type Address, type Endpoint, endpointOf, type Family } from './endpoint.ts';
import { LOCAL, READY, type SliceInfo, TERMINATING } from './endpoint-slice.ts';
import type { PortInfo } from './service.ts';
import type { Place } from './shared-values.ts';

/** Bits beside those of endpoint-slice.ts. Hints name zones that it is for … */
export const FOR_ZONES = 64;
/** … this node's among them. */
export const FOR_THIS_ZONE = 128;

/** Endpoints, each once, in the order of the slices, and the bits of each. Two columns: there are hundreds of thousands. */
export interface Merged {
  readonly endpoints: readonly Endpoint[];
  readonly flags: readonly number[];
}

/** One endpoint with all that is known of it. */
export interface Candidate {
  readonly endpoint: Endpoint;
  readonly flags: number;
  /** Whom its hints name. */
  readonly zones: readonly string[];
  readonly place: Place;
}

const NO_ZONES: readonly string[] = [];
const NOWHERE: Place = {};

export function mergeEndpoints(
  slices: Iterable<SliceInfo>,
  port: PortInfo,
  zone: string | undefined,
): Merged {
  const merge = new Merge();
  eachEndpoint(slices, port, zone, (endpoint, flags) => merge.add(endpoint, flags));
  return merge;
}

/** The same at more length. */
export function candidatesOf(
  slices: Iterable<SliceInfo>,
  port: PortInfo,
  zone: string | undefined,
): Candidate[] {
  const merge = new Merge();
  const candidates: Candidate[] = [];
  eachEndpoint(slices, port, zone, (endpoint, flags, { zones, places }, index) => {
    const at = merge.add(endpoint, flags);
    if (at === undefined) return;
    candidates[at] = {
      endpoint,
      flags,
      zones: zones?.[index] ?? NO_ZONES,
      place: places[index] ?? NOWHERE,
    };
  });
  return candidates;
}

/** From so many on a Map finds an endpoint sooner than looking at all does. */
const FEW = 8;

/**
 * Two slices may have the same endpoint: while it moves from one to the other, or when a pod gets the address of one that
 * is still ending. The better half wins: not ending before ending, then ready, then here, so that the order of events makes
 * no difference.
 */
class Merge implements Merged {
  readonly endpoints: Endpoint[] = [];
  readonly flags: number[] = [];
  #index: Map<Endpoint, number> | undefined;

  /** @returns its place; `undefined`: one that is better has it */
  add(endpoint: Endpoint, flags: number): number | undefined {
    const { endpoints } = this;
    const known = this.#find(endpoint);
    if (known === undefined) {
      const at = endpoints.push(endpoint) - 1;
      this.flags.push(flags);
      if (endpoints.length > FEW) this.#learn(at);
      return at;
    }
    if (rank(this.flags[known] as number) >= rank(flags)) return undefined;
    this.flags[known] = flags;
    return known;
  }

  #find(endpoint: Endpoint): number | undefined {
    if (this.#index) return this.#index.get(endpoint);
    const at = this.endpoints.indexOf(endpoint);
    return at < 0 ? undefined : at;
  }

  #learn(at: number): void {
    const { endpoints } = this;
    if (this.#index) this.#index.set(endpoints[at] as Endpoint, at);
    else this.#index = new Map(endpoints.map((endpoint, index) => [endpoint, index]));
  }
}

function rank(flags: number): number {
  return (flags & TERMINATING ? 0 : 4) + (flags & READY ? 2 : 0) + (flags & LOCAL ? 1 : 0);
}

type Visit = (endpoint: Endpoint, flags: number, slice: SliceInfo, index: number) => void;

function eachEndpoint(
  slices: Iterable<SliceInfo>,
  { name, protocol }: PortInfo,
  zone: string | undefined,
  visit: Visit,
): void {
  for (const slice of slices)
    for (const port of slice.ports)
      if (port.name === name && port.protocol === protocol) eachOfSlice(slice, port.port, zone, visit);
}

function eachOfSlice(slice: SliceInfo, port: number, zone: string | undefined, visit: Visit): void {
  const { family, addresses, flags, zones } = slice;
  for (let index = 0; index < flags.length; index += 1) {
    let bits = flags.charCodeAt(index);
    const names = zones?.[index];
    if (names && names.length > 0)
      bits |= FOR_ZONES | (zone !== undefined && names.includes(zone) ? FOR_THIS_ZONE : 0);
    visit(endpointAt(addresses, index, family, port), bits, slice, index);
  }
}

/** In one piece for IPv4, not put together of two that would have to be joined later. */
function endpointAt(addresses: string, index: number, family: Family, port: number): Endpoint {
  if (family === 6) return endpointOf(addresses.slice(index * 16, index * 16 + 16) as Address, port);
  const at = index * 4;
  return String.fromCharCode(
    addresses.charCodeAt(at),
    addresses.charCodeAt(at + 1),
    addresses.charCodeAt(at + 2),
    addresses.charCodeAt(at + 3),
    port >>> 8,
    port & 255,
  ) as Endpoint;
}
