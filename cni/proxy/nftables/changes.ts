/** Changes of elements of the shared maps, gathered from several service ports, for one transaction. Pure. */

import { SHARED, type SharedName } from './layout.ts';

/** One element's change: added without `old`, removed without `now`, given another value with both. */
export interface Change {
  readonly map: SharedName;
  readonly key: string;
  readonly old: string | undefined;
  readonly now: string | undefined;
}

/**
 * One change per element. Call `remove` for all ports before `add` for any: so it comes out right when an address goes
 * from one port to another.
 */
export class Changes {
  readonly #maps = new Map<SharedName, Map<string, Change>>();

  remove(map: SharedName, key: string, old: string): void {
    this.#of(map).set(key, { map, key, old, now: undefined });
  }

  add(map: SharedName, key: string, now: string): void {
    const changes = this.#of(map);
    changes.set(key, { map, key, old: changes.get(key)?.old, now });
  }

  /** Those that do change something, in an order in which they may be made one after the other. */
  *[Symbol.iterator](): Iterator<Change> {
    for (const name of SHARED) {
      for (const change of this.#maps.get(name)?.values() ?? []) if (change.old !== change.now) yield change;
    }
  }

  #of(map: SharedName): Map<string, Change> {
    let changes = this.#maps.get(map);
    if (changes === undefined) {
      changes = new Map();
      this.#maps.set(map, changes);
    }
    return changes;
  }
}
