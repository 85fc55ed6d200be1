/** What all ports together take, and how it changes with some of them. Several may want the same entry. Pure. */

import type { RuleText } from '../iptables/tables.ts';
import type { EntryKey, ServerKey } from './keys.ts';
import { SET_KEYS, type SetKey } from './names.ts';
import { NOTHING, type Wanted, type WantedServer } from './wanted.ts';

/** A virtual server before and after; one of the two may be missing. */
export interface ServerChange {
  readonly key: ServerKey;
  readonly before?: WantedServer;
  readonly after?: WantedServer;
}

export interface EntryChange {
  readonly set: SetKey;
  readonly key: EntryKey;
}

export interface Changes {
  readonly servers: readonly ServerChange[];
  readonly added: readonly EntryChange[];
  readonly removed: readonly EntryChange[];
  readonly addedRules: readonly RuleText[];
  readonly removedRules: readonly RuleText[];
}

/** How many want each. */
class Counts<K> {
  readonly #counts = new Map<K, number>();

  get keys(): Iterable<K> {
    return this.#counts.keys();
  }

  get size(): number {
    return this.#counts.size;
  }

  has(key: K): boolean {
    return this.#counts.has(key);
  }

  /** @returns whether it was wanted before */
  add(key: K): boolean {
    const count = this.#counts.get(key) ?? 0;
    this.#counts.set(key, count + 1);
    return count > 0;
  }

  remove(key: K): void {
    const count = (this.#counts.get(key) ?? 0) - 1;
    if (count > 0) this.#counts.set(key, count);
    else this.#counts.delete(key);
  }
}

/** What was there before a change, of all that it touches. */
class Touched<K> {
  readonly #before = new Map<K, boolean>();
  readonly #counts: Counts<K>;

  constructor(counts: Counts<K>) {
    this.#counts = counts;
  }

  touch(key: K): void {
    if (!this.#before.has(key)) this.#before.set(key, this.#counts.has(key));
  }

  difference(): { added: K[]; removed: K[] } {
    const added: K[] = [];
    const removed: K[] = [];
    for (const [key, was] of this.#before) {
      const is = this.#counts.has(key);
      if (is && !was) added.push(key);
      else if (was && !is) removed.push(key);
    }
    return { added, removed };
  }
}

export class Totals {
  readonly #servers = new Map<ServerKey, WantedServer>();
  readonly #entries = new Map<SetKey, Counts<EntryKey>>(SET_KEYS.map((set) => [set, new Counts()]));
  readonly #rules = new Counts<RuleText>();

  get servers(): ReadonlyMap<ServerKey, WantedServer> {
    return this.#servers;
  }

  get rules(): Iterable<RuleText> {
    return this.#rules.keys;
  }

  entries(set: SetKey): Iterable<EntryKey> {
    return this.#countsOf(set).keys;
  }

  hasEntry(set: SetKey, key: EntryKey): boolean {
    return this.#countsOf(set).has(key);
  }

  /** Goes from what some ports took to what they take; costs what those ports have. */
  change(ports: Iterable<readonly [before: Wanted | undefined, after: Wanted | undefined]>): Changes {
    const servers = new Map<ServerKey, WantedServer | undefined>();
    const entries = new Map(SET_KEYS.map((set) => [set, new Touched(this.#countsOf(set))]));
    const rules = new Touched(this.#rules);
    const touch = (set: SetKey, key: EntryKey): void => entries.get(set)?.touch(key);
    // First what goes, of all ports, then what comes: a frontend may pass from one to another.
    const all = [...ports];
    for (const [before = NOTHING] of all) {
      for (const key of before.servers.keys()) {
        servers.set(key, this.#servers.get(key));
        this.#servers.delete(key);
      }
      for (const [set, keys] of before.entries)
        for (const key of keys) {
          touch(set, key);
          this.#countsOf(set).remove(key);
        }
      for (const rule of before.rules) {
        rules.touch(rule);
        this.#rules.remove(rule);
      }
    }
    for (const [, after = NOTHING] of all) {
      for (const [key, server] of after.servers) {
        if (!servers.has(key)) servers.set(key, this.#servers.get(key));
        this.#servers.set(key, server);
      }
      for (const [set, keys] of after.entries)
        for (const key of keys) {
          touch(set, key);
          this.#countsOf(set).add(key);
        }
      for (const rule of after.rules) {
        rules.touch(rule);
        this.#rules.add(rule);
      }
    }
    return this.#changes(servers, entries, rules);
  }

  #changes(
    servers: ReadonlyMap<ServerKey, WantedServer | undefined>,
    entries: ReadonlyMap<SetKey, Touched<EntryKey>>,
    rules: Touched<RuleText>,
  ): Changes {
    const added: EntryChange[] = [];
    const removed: EntryChange[] = [];
    for (const [set, touched] of entries) {
      const difference = touched.difference();
      for (const key of difference.added) added.push({ set, key });
      for (const key of difference.removed) removed.push({ set, key });
    }
    const { added: addedRules, removed: removedRules } = rules.difference();
    return {
      servers: [...servers].map(([key, before]) => {
        const after = this.#servers.get(key);
        return { key, ...(before && { before }), ...(after && { after }) };
      }),
      added,
      removed,
      addedRules,
      removedRules,
    };
  }

  #countsOf(set: SetKey): Counts<EntryKey> {
    return this.#entries.get(set) as Counts<EntryKey>;
  }
}
