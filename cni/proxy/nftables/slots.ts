/** Which endpoint has which slot. Pure. */

import type { Endpoint } from '../model/endpoint.ts';

/**
 * The slots of a new choice of endpoints, such that few change: who stays keeps the slot that it has, and a hole is
 * filled by the last ones. So a removal that has become visible half-way still leads to somebody who is there, as long
 * as the slots beyond the new number are not cleared yet.
 *
 * @returns `wanted` itself where nobody had a slot, or everybody has the same; `before` where only their order differs
 */
export function nextSlots(
  before: readonly Endpoint[] | undefined,
  wanted: readonly Endpoint[],
): readonly Endpoint[] {
  if (before === undefined || before.length === 0 || before === wanted || wanted.length === 0) return wanted;
  if (same(before, wanted)) return wanted;
  const left = new Set(wanted);
  const slots = new Array<Endpoint | undefined>(wanted.length);
  for (let slot = 0; slot < wanted.length; slot += 1) {
    const held = before[slot];
    if (held !== undefined && left.delete(held)) slots[slot] = held;
  }
  const newcomers = left.values();
  for (let slot = 0; slot < wanted.length; slot += 1) slots[slot] ??= newcomers.next().value as Endpoint;
  return same(slots as Endpoint[], before) ? before : (slots as Endpoint[]);
}

function same(a: readonly Endpoint[], b: readonly Endpoint[]): boolean {
  if (a.length !== b.length) return false;
  for (let slot = 0; slot < a.length; slot += 1) if (a[slot] !== b[slot]) return false;
  return true;
}
