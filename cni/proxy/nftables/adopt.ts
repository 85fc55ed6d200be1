/** Takes over what a table holds that this program, or one before it, made: after a restart, without a change. Pure. */

import type { ServicePorts } from '../mode.ts';
import type { Endpoint } from '../model/endpoint.ts';
import type { Frontend, ServicePort } from '../model/service-port.ts';
import type { AffinityNumbers } from './affinity-numbers.ts';
import { mapsOf } from './content.ts';
import { endpointOfSlot, slotKey } from './keys.ts';
import type { SharedName } from './layout.ts';
import { affinityTarget } from './object-names.ts';
import { keyOf, type Programmed } from './programmed.ts';
import type { KernelStructure, SharedContent } from './read-back.ts';
import type { Structure } from './structure.ts';
import { decodeValue, type Value } from './values.ts';

/** Which values the kernel has chains for, and which numbers it has given to ports with affinity. */
export function adoptNumbers(
  kernel: KernelStructure,
  ports: ServicePorts,
  numbers: AffinityNumbers,
  structure: Structure,
): void {
  const targets = new Map<string, Value>();
  for (const treatments of kernel.treatments.values()) {
    for (const [number, target] of treatments) {
      const value = decodeValue(number);
      if (value === undefined) continue;
      if (value.affinity === undefined) structure.know(value);
      else {
        numbers.block(value.number);
        if (target !== undefined) targets.set(target, value);
      }
    }
  }
  if (targets.size === 0) return;
  for (const port of ports) {
    if (port.affinity === undefined) continue;
    const own = ownValue(port, targets);
    if (own !== undefined) numbers.assign(port.name, own.number);
  }
}

/** By any of the chains that a port with affinity may have. */
function ownValue(port: ServicePort, targets: ReadonlyMap<string, Value>): Value | undefined {
  for (const kind of ['never', 'from-outside', 'always', 'by-source'] as const) {
    for (const affinity of ['everywhere', 'here'] as const) {
      const found = targets.get(affinityTarget(port.name, { kind, number: 0, affinity }));
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

/** The port as it would be programmed with the slots that the kernel has: what slots are chosen by. */
export function adoptSlots(port: ServicePort, content: SharedContent): Programmed {
  let slots: readonly Endpoint[] = [];
  let localSlots: readonly Endpoint[] = [];
  for (const frontend of port.frontends) {
    const maps = mapsOf(frontend.address === undefined);
    if (localSlots.length === 0) localSlots = heldSlots(port, frontend, content, maps.localSlots);
    // internalTrafficPolicy Local: its slots are of local endpoints.
    const isLocal = frontend.kind === 'cluster-ip' && frontend.policy === 'local';
    if (isLocal && localSlots.length === 0) localSlots = heldSlots(port, frontend, content, maps.slots);
    if (!isLocal && slots.length === 0) slots = heldSlots(port, frontend, content, maps.slots);
  }
  return { port, slots, localSlots };
}

function heldSlots(
  port: ServicePort,
  frontend: Frontend,
  content: SharedContent,
  map: SharedName,
): readonly Endpoint[] {
  const elements = content.get(map);
  const key = keyOf(port, frontend);
  const slots: Endpoint[] = [];
  for (let slot = 0; ; slot += 1) {
    const held = elements?.get(slotKey(key, slot));
    if (held === undefined) return slots;
    slots.push(endpointOfSlot(held));
  }
}
