/**
 * The chains, the sets of single service ports, and the verdicts of `treatments`: what the kernel has of them, what a
 * change adds, and what has become of no use. The last goes in two steps, a second apart each: first it is emptied, then
 * deleted, as packets may be on their way there, and kernels before 6.2 hold chains for a while that were referred to.
 */

import type { Element } from '../../../shared/nftables/model/element.ts';
import type { Transaction } from '../../../shared/nftables/transaction.ts';
import type { ModeSettings } from '../mode.ts';
import { addRules, type ChainSpec, sameRules } from './chain-spec.ts';
import { sameRanges } from './firewall.ts';
import { type Layout, type TreatmentsName, treatmentKey } from './layout.ts';
import type { Objects, OwnSet, OwnTreatment } from './objects.ts';
import { type Treatments, treatment } from './treatment-chains.ts';
import { decodeValue, encodeValue, type Value } from './values.ts';

interface Useless {
  /** Milliseconds of the monotonic clock. */
  readonly since: number;
  readonly isEmpty: boolean;
}

export class Structure {
  readonly #layout: Layout;
  readonly #settings: ModeSettings;
  /** Values without affinity that the kernel has chains for: kept for a long while after their last use. */
  readonly #known = new Map<number, Treatments>();
  /** Those of them that were in nobody's use, and since when that is known (monotonic ms). */
  readonly #unused = new Map<number, number>();
  /** What was asked for since the look for unused ones began. */
  readonly #asked = new Set<number>();
  readonly #sharedChains = new Set<string>();
  readonly #uselessChains = new Map<string, Useless>();
  readonly #uselessSets = new Map<string, Useless>();
  readonly #uselessTreatments = new Map<number, { readonly map: TreatmentsName; readonly since: number }>();

  constructor(layout: Layout, settings: ModeSettings) {
    this.#layout = layout;
    this.#settings = settings;
  }

  /** Makes what a value without affinity leads to, unless it is there. */
  provide(transaction: Transaction, value: Value): void {
    const number = encodeValue(value);
    this.#asked.add(number);
    if (this.#known.has(number)) return;
    const made = treatment(this.#layout, this.#settings, value);
    this.#known.set(number, made);
    for (const chain of made.chains) {
      if (this.#sharedChains.has(chain.name)) continue;
      this.#sharedChains.add(chain.name);
      this.#make(transaction, [chain]);
    }
    if (!this.#uselessTreatments.delete(number))
      this.#addVerdict(transaction, { map: made.map, value: number, target: made.target });
  }

  /** Begins a look for values that nobody uses. */
  lookForUnused(): void {
    this.#asked.clear();
  }

  /**
   * Discards what no frontend has led to for so long (ms), by looks like this one.
   *
   * @param used what service ports use that were asked since the look began; what others came to use is known
   * @returns whether there is more that nobody uses
   */
  giveBack(used: ReadonlySet<number>, now: number, age: number): boolean {
    const gone: Treatments[] = [];
    for (const [value, made] of this.#known) {
      const since = this.#unused.get(value);
      if (used.has(value) || this.#asked.has(value)) this.#unused.delete(value);
      else if (since === undefined) this.#unused.set(value, now);
      else if (now - since >= age) {
        this.#unused.delete(value);
        this.#known.delete(value);
        this.discardTreatment(made.map, value, now);
        gone.push(made);
      }
    }
    const needed = new Set([...this.#known.values()].flatMap(({ chains }) => chains.map(({ name }) => name)));
    for (const { chains } of gone)
      for (const { name } of chains)
        if (!needed.has(name) && this.#sharedChains.delete(name)) this.discardChain(name, now);
    return this.#unused.size > 0;
  }

  /** Takes it that the kernel has a value's chains, as `knownChains` says, and its verdict. */
  know(value: Value): void {
    const made = treatment(this.#layout, this.#settings, value);
    this.#known.set(encodeValue(value), made);
    for (const chain of made.chains) this.#sharedChains.add(chain.name);
  }

  /** Chains and verdicts that no single port owns, apart from the static ones. */
  knownChains(): { readonly chains: ChainSpec[]; readonly treatments: OwnTreatment[] } {
    const chains = new Map<string, ChainSpec>();
    const treatments: OwnTreatment[] = [];
    for (const [value, { map, target, chains: own }] of this.#known) {
      for (const chain of own) chains.set(chain.name, chain);
      treatments.push({ map, value, target });
    }
    return { chains: [...chains.values()], treatments };
  }

  /** Brings a port's objects from one state to the next, but for what has become of no use. */
  change(transaction: Transaction, before: Objects, after: Objects, now: number): void {
    if (before === after) return;
    const oldSets = new Map(before.sets.map((own) => [own.set.name, own]));
    for (const own of after.sets) {
      this.#changeSet(transaction, oldSets.get(own.set.name), own);
      oldSets.delete(own.set.name);
    }
    const oldChains = new Map(before.chains.map((chain) => [chain.name, chain]));
    const made: ChainSpec[] = [];
    for (const chain of after.chains) {
      const old = oldChains.get(chain.name);
      oldChains.delete(chain.name);
      if (old === undefined || !sameRules(old, chain)) made.push(chain);
    }
    this.#make(transaction, made, new Set(before.chains.map(({ name }) => name)));
    const oldTreatments = new Map(before.treatments.map((own) => [own.value, own]));
    for (const own of after.treatments) {
      if (oldTreatments.delete(own.value) || this.#uselessTreatments.delete(own.value)) continue;
      this.#addVerdict(transaction, own);
    }
    for (const name of oldSets.keys()) this.#uselessSets.set(name, { since: now, isEmpty: false });
    for (const name of oldChains.keys()) this.discardChain(name, now);
    for (const { map, value } of oldTreatments.values()) this.discardTreatment(map, value, now);
  }

  discardChain(name: string, now: number): void {
    if (!this.#uselessChains.has(name)) this.#uselessChains.set(name, { since: now, isEmpty: false });
  }

  discardSet(name: string, now: number): void {
    if (!this.#uselessSets.has(name)) this.#uselessSets.set(name, { since: now, isEmpty: false });
  }

  discardTreatment(map: TreatmentsName, value: number, now: number): void {
    if (!this.#uselessTreatments.has(value)) this.#uselessTreatments.set(value, { map, since: now });
  }

  /** Whether `sweep` has something to do, now or later. */
  get hasUseless(): boolean {
    return this.#uselessChains.size + this.#uselessSets.size + this.#uselessTreatments.size > 0;
  }

  isUseless(kind: 'chain' | 'set', name: string): boolean {
    return (kind === 'chain' ? this.#uselessChains : this.#uselessSets).has(name);
  }

  /** Strikes off what somebody else has deleted. */
  forgetAbsent(isThere: (kind: 'chain' | 'set', name: string) => boolean, values: ReadonlySet<number>): void {
    for (const name of this.#uselessChains.keys())
      if (!isThere('chain', name)) this.#uselessChains.delete(name);
    for (const name of this.#uselessSets.keys()) if (!isThere('set', name)) this.#uselessSets.delete(name);
    for (const value of this.#uselessTreatments.keys())
      if (!values.has(value)) this.#uselessTreatments.delete(value);
  }

  isUselessTreatment(value: number): boolean {
    return this.#uselessTreatments.has(value);
  }

  /**
   * Takes the next step with what has been useless for that long.
   *
   * @returns what the transaction comes to once it has been carried out
   */
  sweep(transaction: Transaction, now: number, age: number): { readonly done: () => number[] } {
    const { table, sets } = this.#layout;
    const isDue = ({ since }: { readonly since: number }): boolean => now - since >= age;
    const ref = (name: string) => ({ family: table.family, table: table.name, name });
    const values = [...this.#uselessTreatments].filter(([, useless]) => isDue(useless));
    const chains = [...this.#uselessChains].filter(([, useless]) => isDue(useless));
    const idle = [...this.#uselessSets].filter(([, useless]) => isDue(useless));
    for (const [value, { map }] of values) {
      transaction.deleteElements(sets[map], [{ key: treatmentKey(value) }]);
    }
    for (const [name, { isEmpty }] of chains) if (!isEmpty) transaction.flushChain(ref(name));
    for (const [name, { isEmpty }] of chains) if (isEmpty) transaction.deleteChain(ref(name));
    for (const [name, { isEmpty }] of idle) if (isEmpty) transaction.deleteSet(ref(name));
    const done = (): number[] => {
      for (const [value] of values) this.#uselessTreatments.delete(value);
      for (const [list, useless] of [
        [chains, this.#uselessChains],
        [idle, this.#uselessSets],
      ] as const) {
        for (const [name, { isEmpty }] of list) {
          if (isEmpty) useless.delete(name);
          else useless.set(name, { since: now, isEmpty: true });
        }
      }
      return values.flatMap(([value]) => {
        const { affinity, number = 0 } = decodeValue(value) ?? {};
        return affinity === undefined ? [] : [number];
      });
    };
    return { done };
  }

  /** Makes chains anew, those of `standing` and the useless ones by emptying them. */
  #make(transaction: Transaction, chains: readonly ChainSpec[], standing?: ReadonlySet<string>): void {
    const { family, name: table } = this.#layout.table;
    for (const { name, base } of chains) {
      const isThere = standing?.has(name) || this.#uselessChains.delete(name);
      if (isThere) transaction.flushChain({ family, table, name });
      else transaction.add({ kind: 'chain', family, table, name, ...(base && { base }) });
    }
    for (const chain of chains) addRules(transaction, this.#layout, chain);
  }

  #changeSet(transaction: Transaction, old: OwnSet | undefined, { set, ranges }: OwnSet): void {
    const isThere = old !== undefined || this.#uselessSets.delete(set.name);
    if (!isThere) transaction.add(set);
    if (ranges === undefined || (old?.ranges !== undefined && sameRanges(old.ranges, ranges))) return;
    if (isThere) transaction.flushSet(set);
    transaction.addElements(set, ranges);
  }

  #addVerdict(transaction: Transaction, { map, value, target }: OwnTreatment): void {
    const element: Element = { key: treatmentKey(value), data: { code: 'goto', chain: target } };
    transaction.addElements(this.#layout.sets[map], [element]);
  }
}
