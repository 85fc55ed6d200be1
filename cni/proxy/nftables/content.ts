/** What the shared maps and sets hold for a service port, and the difference between two states of it. Pure. */

import type { Endpoint } from '../model/endpoint.ts';
import { slotKey, slotValue } from './keys.ts';
import type { SharedName } from './layout.ts';
import { firewallChain } from './object-names.ts';
import { localValueOf, type Placed, type Policy, type Programmed, place, valueBytes } from './programmed.ts';
import { MOST } from './values.ts';

/** Receives elements: of sets with an empty value, of `firewall` with the chain's name. */
export type Sink = (map: SharedName, key: string, value: string) => void;

/** Tells every element of a service port, but for the sets whose elements several ports share. */
export function contentOf(programmed: Programmed, policy: Policy, sink: Sink): void {
  for (const frontend of programmed.port.frontends) {
    contentOfFrontend(programmed, place(programmed, frontend, policy), sink);
  }
}

/**
 * Tells what is different: what is in `before` alone or with another value there goes to `removed`, what is in `after`
 * alone or with another value there to `added`.
 */
export function difference(
  before: Programmed | undefined,
  after: Programmed | undefined,
  policy: Policy,
  removed: Sink,
  added: Sink,
): void {
  // By key: a node port's is shorter than any with an address.
  const placed = new Map<string, Placed>();
  for (const frontend of before?.port.frontends ?? []) {
    const old = place(before as Programmed, frontend, policy);
    placed.set(old.key, old);
  }
  for (const frontend of after?.port.frontends ?? []) {
    const now = place(after as Programmed, frontend, policy);
    const old = placed.get(now.key);
    if (old === undefined) contentOfFrontend(after as Programmed, now, added);
    else {
      placed.delete(now.key);
      compare(before as Programmed, old, after as Programmed, now, removed, added);
    }
  }
  for (const gone of placed.values()) contentOfFrontend(before as Programmed, gone, removed);
}

function contentOfFrontend(programmed: Programmed, placed: Placed, sink: Sink): void {
  const { key, nodePort, slots, localSlots } = placed;
  const maps = mapsOf(nodePort);
  eachSlot(key, slots, (at, value) => sink(maps.slots, at, value));
  eachSlot(key, localSlots, (at, value) => sink(maps.localSlots, at, value));
  for (const [map, value] of singlesOf(programmed, placed)) sink(map, key, value);
}

/** The elements that a frontend has one of at most, by map. */
function singlesOf(programmed: Programmed, placed: Placed): Map<SharedName, string> {
  const { nodePort, value, refusal, isGuarded } = placed;
  const maps = mapsOf(nodePort);
  const singles = new Map<SharedName, string>();
  const local = localValueOf(placed);
  if (isGuarded) singles.set('firewall', firewallChain(programmed.port.name));
  if (local !== undefined) singles.set(maps.localValues, valueBytes(local));
  if (value !== undefined) singles.set(maps.values, valueBytes(value));
  if (refusal !== undefined) singles.set(maps[refusal], '');
  return singles;
}

function compare(
  before: Programmed,
  old: Placed,
  after: Programmed,
  now: Placed,
  removed: Sink,
  added: Sink,
): void {
  const { key, nodePort } = now;
  const maps = mapsOf(nodePort);
  compareSlots(maps.slots, key, old.slots, now.slots, removed, added);
  compareSlots(maps.localSlots, key, old.localSlots, now.localSlots, removed, added);
  const was = singlesOf(before, old);
  const is = singlesOf(after, now);
  for (const [map, value] of was) if (is.get(map) !== value) removed(map, key, value);
  for (const [map, value] of is) if (was.get(map) !== value) added(map, key, value);
}

function compareSlots(
  map: SharedName,
  key: string,
  old: readonly Endpoint[],
  now: readonly Endpoint[],
  removed: Sink,
  added: Sink,
): void {
  if (old === now) return;
  const most = Math.min(Math.max(old.length, now.length), MOST);
  for (let slot = 0; slot < most; slot += 1) {
    const [was, is] = [old[slot], now[slot]];
    if (was === is) continue;
    const at = slotKey(key, slot);
    if (was !== undefined) removed(map, at, slotValue(was));
    if (is !== undefined) added(map, at, slotValue(is));
  }
}

function eachSlot(key: string, slots: readonly Endpoint[], each: (key: string, value: string) => void): void {
  const most = Math.min(slots.length, MOST);
  for (let slot = 0; slot < most; slot += 1) each(slotKey(key, slot), slotValue(slots[slot] as Endpoint));
}

interface MapNames {
  readonly values: SharedName;
  readonly slots: SharedName;
  readonly localValues: SharedName;
  readonly localSlots: SharedName;
  readonly reject: SharedName;
  readonly drop: SharedName;
}

const WITH_ADDRESS: MapNames = {
  values: 'frontends',
  slots: 'slots',
  localValues: 'local-frontends',
  localSlots: 'local-slots',
  reject: 'rejected',
  drop: 'dropped',
};

const OF_NODE_PORTS: MapNames = {
  values: 'node-ports',
  slots: 'node-port-slots',
  localValues: 'local-node-ports',
  localSlots: 'local-node-port-slots',
  reject: 'rejected-node-ports',
  drop: 'dropped-node-ports',
};

export function mapsOf(nodePort: boolean): MapNames {
  return nodePort ? OF_NODE_PORTS : WITH_ADDRESS;
}
