/** A packet filter that keeps what it was after every transaction, for packets that are under way meanwhile. */

import { FakeNftables } from '../../../../shared/nftables/fake.ts';
import type { Nftables } from '../../../../shared/nftables/nftables.ts';
import type { Transaction } from '../../../../shared/nftables/transaction.ts';
import type { ServicePort } from '../../model/service-port.ts';
import type { FakeTime } from '../../testing/fake-time.ts';
import { packed } from '../keys.ts';

/** The table after a transaction, and the models between which it was. */
export interface Snapshot {
  readonly table: Nftables;
  readonly at: number;
  readonly models: readonly (readonly ServicePort[])[];
}

export class Recorder extends FakeNftables {
  readonly snapshots: Snapshot[] = [];
  readonly #time: FakeTime;
  models: readonly (readonly ServicePort[])[] = [];

  constructor(time: FakeTime) {
    super({ now: () => time.monotonic() });
    this.#time = time;
  }

  override run(transaction: Transaction): void {
    if (transaction.isEmpty) return;
    super.run(transaction);
    this.snapshots.push({ table: new Frozen(this.fork()), at: this.#time.monotonic(), models: this.models });
  }
}

/** Answers from memory: a table that does not change any more is asked often. */
class Frozen extends FakeNftables {
  readonly #of: FakeNftables;
  readonly #rules = new Map<string, ReturnType<FakeNftables['listRules']>>();
  readonly #elements = new Map<string, Map<string, ReturnType<FakeNftables['listElements']>[number]>>();
  #sets: ReturnType<FakeNftables['listSets']> | undefined;
  #chains: ReturnType<FakeNftables['listChains']> | undefined;

  constructor(of: FakeNftables) {
    super();
    this.#of = of;
  }

  override listChains(ref: Parameters<FakeNftables['listChains']>[0]) {
    this.#chains ??= this.#of.listChains(ref);
    return this.#chains;
  }

  override listSets(ref: Parameters<FakeNftables['listSets']>[0]) {
    this.#sets ??= this.#of.listSets(ref);
    return this.#sets;
  }

  override listRules(ref: Parameters<FakeNftables['listRules']>[0], chain = '') {
    let rules = this.#rules.get(chain);
    rules ??= this.#of.listRules(ref, chain);
    this.#rules.set(chain, rules);
    return rules;
  }

  override listElements(set: Parameters<FakeNftables['listElements']>[0]) {
    return this.#of.listElements(set);
  }

  override findElement(set: Parameters<FakeNftables['findElement']>[0], key: Uint8Array) {
    let elements = this.#elements.get(set.name);
    elements ??= new Map(this.#of.listElements(set).map((element) => [packed(element.key), element]));
    this.#elements.set(set.name, elements);
    return elements.get(packed(key));
  }
}
