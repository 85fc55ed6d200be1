/** The endpoints of one service port, from all slices of its Service. Pure. */

import { type Address, type Endpoint, endpointOf } from './endpoint.ts';
import {
  FOR_NODES,
  FOR_THIS_NODE,
  LOCAL,
  READY,
  SERVING,
  type SliceInfo,
  TERMINATING,
} from './endpoint-slice.ts';
import type { PortInfo } from './service.ts';

/** One endpoint with what decides whether it is used. */
export interface Candidate {
  readonly endpoint: Endpoint;
  /** See endpoint-slice.ts. */
  readonly flags: number;
  readonly zones: readonly string[];
}

const NO_ZONES: readonly string[] = [];

/**
 * Every endpoint once, in the order of the slices given. Two slices may have the same one: while it moves from one to the
 * other, or when a pod gets the address of one that is still ending. The better half of each wins: not ending before
 * ending, then ready, then here, so that the order of events makes no difference.
 */
export function mergeEndpoints(slices: Iterable<SliceInfo>, port: PortInfo): Candidate[] {
  const found = new Map<Endpoint, Candidate>();
  for (const slice of slices) {
    const width = slice.family === 4 ? 4 : 16;
    for (const { name, protocol, port: number } of slice.ports) {
      if (name !== port.name || protocol !== port.protocol) continue;
      for (let index = 0; index < slice.flags.length; index += 1) {
        const address = slice.addresses.slice(index * width, (index + 1) * width) as Address;
        const endpoint = endpointOf(address, number);
        const flags = slice.flags[index] as number;
        const before = found.get(endpoint);
        if (before && rank(before.flags) >= rank(flags)) continue;
        found.set(endpoint, { endpoint, flags, zones: slice.zones?.[index] ?? NO_ZONES });
      }
    }
  }
  return [...found.values()];
}

function rank(flags: number): number {
  return (flags & TERMINATING ? 0 : 4) + (flags & READY ? 2 : 0) + (flags & LOCAL ? 1 : 0);
}

/** How hints narrow the choice. */
export type Topology = 'node' | 'zone' | 'none';

/**
 * Hints count where every ready endpoint has some and one is for here; by nodes before by zones. Otherwise they are half
 * written, or nobody is left here, and all endpoints serve.
 */
export function topologyOf(candidates: readonly Candidate[], zone: string | undefined): Topology {
  const [byNode, byZone] = [
    hintsCount(candidates, hasNodes, isForThisNode),
    hintsCount(candidates, hasZones, isForZone(zone)),
  ];
  return byNode ? 'node' : byZone ? 'zone' : 'none';
}

type Test = (candidate: Candidate) => boolean;
const hasNodes: Test = ({ flags }) => (flags & FOR_NODES) !== 0;
const isForThisNode: Test = ({ flags }) => (flags & FOR_THIS_NODE) !== 0;
const hasZones: Test = ({ zones }) => zones.length > 0;
const isForZone =
  (zone: string | undefined): Test =>
  ({ zones }) =>
    zone !== undefined && zones.includes(zone);
export const isReady: Test = ({ flags }) => (flags & READY) !== 0;
/** Ending, and serving until then: better than nobody. */
export const isLastResort: Test = ({ flags }) => (flags & SERVING) !== 0 && (flags & TERMINATING) !== 0;
export const isLocal: Test = ({ flags }) => (flags & LOCAL) !== 0;

function hintsCount(candidates: readonly Candidate[], has: Test, isForHere: Test): boolean {
  let here = false;
  for (const candidate of candidates) {
    if (!isReady(candidate)) continue;
    if (!has(candidate)) return false;
    here ||= isForHere(candidate);
  }
  return here;
}

/** Who serves traffic that anybody may serve, and who serves what has to stay on this node. */
export interface Chosen {
  readonly endpoints: readonly Candidate[];
  readonly localEndpoints: readonly Candidate[];
  readonly topology: Topology;
}

export function choose(candidates: readonly Candidate[], zone: string | undefined): Chosen {
  const topology = topologyOf(candidates, zone);
  const isNear: Test =
    topology === 'node' ? isForThisNode : topology === 'zone' ? isForZone(zone) : () => true;
  const local = candidates.filter(isLocal);
  return {
    endpoints: orLastResort(candidates, (candidate) => isReady(candidate) && isNear(candidate)),
    localEndpoints: orLastResort(local, isReady),
    topology,
  };
}

function orLastResort(candidates: readonly Candidate[], isChosen: Test): readonly Candidate[] {
  const chosen = candidates.filter(isChosen);
  return chosen.length > 0 ? chosen : candidates.filter(isLastResort);
}
