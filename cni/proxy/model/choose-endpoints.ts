/** Who of all that may serve a service port does. Pure. */

import type { Endpoint } from './endpoint.ts';
import { FOR_NODES, FOR_THIS_NODE, LOCAL, READY, SERVING, TERMINATING } from './endpoint-slice.ts';
import { FOR_THIS_ZONE, FOR_ZONES, type Merged } from './merge-endpoints.ts';

/** How hints narrow the choice. */
export type Topology = 'node' | 'zone' | 'none';

/** Who serves traffic that anybody may serve, and who serves what has to stay on this node. */
export interface Chosen {
  readonly endpoints: readonly Endpoint[];
  readonly localEndpoints: readonly Endpoint[];
  readonly topology: Topology;
}

/** Ending, and serving until then: better than nobody. */
const LAST_RESORT = SERVING | TERMINATING;

const NEAR: Readonly<Record<Topology, number>> = { node: FOR_THIS_NODE, zone: FOR_THIS_ZONE, none: 0 };

export function chooseEndpoints(merged: Merged): Chosen {
  const topology = topologyOf(merged.flags);
  return {
    endpoints: orElse(withAll(merged, READY | NEAR[topology]), () => withAll(merged, LAST_RESORT)),
    localEndpoints: orElse(withAll(merged, READY | LOCAL), () => withAll(merged, LAST_RESORT | LOCAL)),
    topology,
  };
}

/**
 * Hints count where every ready endpoint has some and one is for here; by nodes before by zones. Otherwise they are half
 * written, or nobody is left here, and all endpoints serve.
 */
export function topologyOf(flags: readonly number[]): Topology {
  // Of all ready endpoints together: what each of them has, and what any has.
  let each = FOR_NODES | FOR_ZONES;
  let any = 0;
  for (const bits of flags) {
    if (!(bits & READY)) continue;
    each &= bits;
    any |= bits;
  }
  if (each & FOR_NODES && any & FOR_THIS_NODE) return 'node';
  return each & FOR_ZONES && any & FOR_THIS_ZONE ? 'zone' : 'none';
}

const NOBODY: readonly Endpoint[] = [];

function withAll({ endpoints, flags }: Merged, wanted: number): readonly Endpoint[] {
  let count = 0;
  for (const bits of flags) if ((bits & wanted) === wanted) count += 1;
  if (count === 0) return NOBODY;
  const chosen = new Array<Endpoint>(count);
  let at = 0;
  for (let index = 0; index < flags.length; index += 1)
    if (((flags[index] as number) & wanted) === wanted) {
      chosen[at] = endpoints[index] as Endpoint;
      at += 1;
    }
  return chosen;
}

function orElse(chosen: readonly Endpoint[], other: () => readonly Endpoint[]): readonly Endpoint[] {
  return chosen.length > 0 ? chosen : other();
}
