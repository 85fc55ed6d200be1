/**
 * Where the kernel is known to hold something else than what is programmed: slots that nobody is led to any more but
 * somebody may be on the way to, and elements that the kernel refused. Pure.
 */

import type { Change } from './changes.ts';
import { isSlots, type SharedName } from './layout.ts';

interface Deviation {
  /** What the kernel holds; undefined: no such element. */
  readonly actual: string | undefined;
  /** What it should hold. */
  readonly wanted: string | undefined;
  /** Milliseconds of the monotonic clock. */
  readonly since: number;
}

export class Deviations {
  readonly #maps = new Map<SharedName, Map<string, Deviation>>();

  /** Whether the kernel holds something that is to go. */
  get hasUseless(): boolean {
    for (const deviations of this.#maps.values()) {
      for (const { wanted } of deviations.values()) if (wanted === undefined) return true;
    }
    return false;
  }

  /** Puts down that the kernel holds `actual` where `wanted` is programmed. */
  note(
    map: SharedName,
    key: string,
    actual: string | undefined,
    wanted: string | undefined,
    now: number,
  ): void {
    this.forget(map, key);
    if (actual === wanted) return;
    let deviations = this.#maps.get(map);
    if (deviations === undefined) {
      deviations = new Map();
      this.#maps.set(map, deviations);
    }
    deviations.set(key, { actual, wanted, since: now });
  }

  forget(map: SharedName, key: string): void {
    this.#maps.get(map)?.delete(key);
  }

  /** Since when an element deviates; undefined if it does not. */
  since(map: SharedName, key: string): number | undefined {
    return this.#maps.get(map)?.get(key)?.since;
  }

  /**
   * The change as the kernel has to make it: from what it holds in truth. Slots that are to go stay for now.
   *
   * @returns undefined where there is nothing to do
   */
  apply(change: Change, now: number): Change | undefined {
    const { map, key } = change;
    const known = this.#maps.get(map)?.get(key);
    const old = known === undefined ? change.old : known.actual;
    if (change.now === undefined && old !== undefined && isSlots(map)) {
      this.note(map, key, old, undefined, now);
      return undefined;
    }
    this.forget(map, key);
    return old === change.now ? undefined : { map, key, old, now: change.now };
  }

  /** What the kernel holds in a map where something else is programmed. */
  *actual(map: SharedName): Iterable<string> {
    for (const { actual } of this.#maps.get(map)?.values() ?? []) if (actual !== undefined) yield actual;
  }

  /** Changes that bring the kernel to what is programmed, of deviations that are at least so old. */
  due(now: number, age: number): Change[] {
    const changes: Change[] = [];
    for (const [map, deviations] of this.#maps) {
      for (const [key, { actual, wanted, since }] of deviations) {
        if (now - since >= age) changes.push({ map, key, old: actual, now: wanted });
      }
    }
    return changes;
  }
}
