/** All that one service port takes besides elements of the shared maps: for affinity, and for source ranges. Pure. */

import type { ModeSettings } from '../mode.ts';
import { affinityObjects } from './affinity.ts';
import { firewallOf } from './firewall.ts';
import type { Layout } from './layout.ts';
import { NO_OBJECTS, type Objects } from './objects.ts';
import { type Policy, type Programmed, place } from './programmed.ts';
import { encodeValue, type Value } from './values.ts';

export function objectsOf(
  layout: Layout,
  settings: ModeSettings,
  policy: Policy,
  programmed: Programmed | undefined,
): Objects {
  if (programmed === undefined) return NO_OBJECTS;
  const { port, affinity } = programmed;
  if (affinity === undefined && port.sourceRanges === undefined) return NO_OBJECTS;
  const firewall = firewallOf(layout, port);
  const own =
    affinity === undefined
      ? NO_OBJECTS
      : affinityObjects(layout, settings, programmed, affinityValues(programmed, policy));
  if (firewall === undefined) return own;
  const { set, ranges, chain } = firewall;
  return { ...own, sets: [...own.sets, { set, ranges }], chains: [...own.chains, chain] };
}

/** The different values with affinity that the port's frontends have. */
function affinityValues(programmed: Programmed, policy: Policy): Value[] {
  const values = new Map<number, Value>();
  for (const frontend of programmed.port.frontends) {
    const { value } = place(programmed, frontend, policy);
    if (value?.affinity !== undefined) values.set(encodeValue(value), value);
  }
  return [...values.values()];
}
