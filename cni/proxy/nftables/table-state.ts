/**
 * The table of one family: what is programmed in it, and how the kernel is brought there. Whatever surprises, the table
 * is read back and mended element by element; it is made anew, in one transaction, only where its own maps or base chains
 * are not what they should be.
 */

import type { Table } from '../../../shared/nftables/model/table.ts';
import type { Nftables } from '../../../shared/nftables/nftables.ts';
import { Transaction } from '../../../shared/nftables/transaction.ts';
import type { ModeReport, ModeSettings, ServicePorts } from '../mode.ts';
import type { ServicePort, ServicePortName } from '../model/service-port.ts';
import { adoptNumbers, adoptSlots } from './adopt.ts';
import { AffinityNumbers } from './affinity-numbers.ts';
import { buildTable } from './build-table.ts';
import type { Change } from './changes.ts';
import { type ClientMemory, readClients } from './client-memory.ts';
import { compareContent } from './compare-content.ts';
import { Counts } from './counts.ts';
import { Deviations } from './deviations.ts';
import { type ExpectedStructure, expectedContent, expectedStructure, type Shared } from './expected.ts';
import { gatherChanges, type Step } from './gather-changes.ts';
import { numberOf } from './keys.ts';
import { isOfThisLayout, type Layout, layoutOf, tableOf } from './layout.ts';
import { ownerOf } from './owner.ts';
import { objectsOf } from './port-objects.ts';
import {
  clusterIpsOf,
  hairpinsOf,
  localValueOf,
  type Policy,
  type Programmed,
  place,
  programmedOf,
} from './programmed.ts';
import { readShared, readStructure, type SharedContent } from './read-back.ts';
import { isForParts, type Refusal, runBisected, runChanges } from './runner.ts';
import { Structure } from './structure.ts';
import { repairStructure } from './structure-repair.ts';
import { encodeValue } from './values.ts';

/** Service ports: a fraction of a millisecond. */
const AT_A_TIME = 200;

/** What leads to shared chains. */
const VALUE_MAPS = ['frontends', 'local-frontends', 'node-ports', 'local-node-ports'] as const;

export class TableState {
  readonly layout: Layout;
  readonly policy: Policy;
  readonly #settings: ModeSettings;
  readonly #nft: Nftables;
  readonly #now: () => number;
  #programmed = new Map<ServicePortName, Programmed>();
  #clusterIps = new Counts();
  #hairpins = new Counts();
  #structure: Structure;
  #numbers = new AffinityNumbers();
  #deviations = new Deviations();
  /** Why a port is programmed without what it asks for. */
  #complaints = new Map<ServicePortName, string>();
  #isReady = false;

  /** @param now milliseconds of the monotonic clock */
  constructor(settings: ModeSettings, nft: Nftables, now: () => number) {
    this.layout = layoutOf(settings.family);
    this.policy = {
      masqueradeAll: settings.masqueradeAll,
      detectsLocal: settings.localDetector.by !== 'nothing',
    };
    this.#settings = settings;
    this.#nft = nft;
    this.#now = now;
    this.#structure = new Structure(this.layout, settings);
  }

  get hasUseless(): boolean {
    return this.#isReady && (this.#structure.hasUseless || this.#deviations.hasUseless);
  }

  /** Begins anew, as if nothing were known of the table. */
  forget(): void {
    this.#programmed = new Map();
    this.#clusterIps = new Counts();
    this.#hairpins = new Counts();
    this.#structure = new Structure(this.layout, this.#settings);
    this.#numbers = new AffinityNumbers();
    this.#deviations = new Deviations();
    this.#complaints = new Map();
    this.#isReady = false;
  }

  replace(ports: ServicePorts): ModeReport {
    this.forget();
    const found = this.#find();
    if (found === undefined || !isOfThisLayout(found)) {
      for (const port of ports) this.#take(undefined, port);
      return this.#surely(() => this.#build(found));
    }
    const content = readShared(this.#nft, this.layout);
    const kernel = readStructure(this.#nft, this.layout);
    adoptNumbers(kernel, ports, this.#numbers, this.#structure);
    for (const port of ports) this.#take(adoptSlots(port, content), port);
    return this.#surely(() => ({ ...this.#reconcile(content), repairs: 0 }));
  }

  update(ports: ServicePorts, changed: Iterable<ServicePortName>): ModeReport {
    if (!this.#isReady) return this.replace(ports);
    const steps: Step[] = [];
    for (const name of changed) {
      const before = this.#programmed.get(name);
      const port = ports.get(name);
      if (before === undefined && port === undefined) continue;
      steps.push({ name, before, after: port && this.#next(before, port) });
    }
    const now = this.#now();
    const prepared = new Transaction();
    for (const { before, after } of steps) this.#prepare(prepared, before, after, now);
    const gathered = gatherChanges(steps, this.policy, this.#shared());
    for (const { name, after } of steps) {
      if (after === undefined) {
        this.#programmed.delete(name);
        this.#complaints.delete(name);
      } else this.#programmed.set(name, after);
    }
    const changes = this.#due(gathered, now);
    return this.#surely(() => {
      try {
        this.#nft.run(prepared);
        runChanges(this.#nft, this.layout, changes);
      } catch (error) {
        if (!isForParts(error)) throw error;
        return { ...this.#reconcile(), repairs: 0 };
      }
      const refused = this.#retry(now);
      return { changes: changes.length, refused: [...this.#complained(), ...refused], repairs: 0 };
    });
  }

  verify(ports: ServicePorts): ModeReport {
    if (!this.#isReady) return this.replace(ports);
    return this.#surely(() => {
      const { changes, refused } = this.#reconcile();
      return { changes, refused, repairs: changes };
    });
  }

  /** Takes away what has been of no use for that long, in milliseconds. */
  sweep(age: number): void {
    if (!this.#isReady) return;
    const now = this.#now();
    const useless = this.#deviations.due(now, age).filter(({ now: wanted }) => wanted === undefined);
    const transaction = new Transaction();
    const { done } = this.#structure.sweep(transaction, now, age);
    try {
      runChanges(this.#nft, this.layout, useless);
      for (const { map, key } of useless) this.#deviations.forget(map, key);
      this.#nft.run(transaction);
    } catch (error) {
      // The kernel does not hold what was taken for granted.
      if (!isForParts(error)) throw error;
      this.#reconcile();
      return;
    }
    this.#numbers.release(done(), (port) => this.#programmed.get(port)?.affinity !== undefined);
  }

  /**
   * Has shared chains swept away that nobody was led to for so long (ms): `sweep` does it then. It asks every service port, which
   * changes need not do, and so many at a time that changes in between do not wait for it.
   *
   * @returns whether there may be more of them later
   */
  *giveBack(age: number): Generator<undefined, boolean> {
    if (!this.#isReady) return true;
    const structure = this.#structure;
    structure.lookForUnused();
    const used = new Set<number>();
    let asked = 0;
    for (const one of this.#programmed.values()) {
      for (const frontend of one.port.frontends) {
        const placed = place(one, frontend, this.policy);
        for (const value of [placed.value, localValueOf(placed)])
          if (value !== undefined) used.add(encodeValue(value));
      }
      asked += 1;
      if (asked % AT_A_TIME !== 0) continue;
      yield;
      if (this.#structure !== structure || !this.#isReady) return true;
    }
    // An element that the kernel did not change leads to where it led before.
    for (const map of VALUE_MAPS) for (const value of this.#deviations.actual(map)) used.add(numberOf(value));
    return structure.giveBack(used, this.#now(), age);
  }

  /** After an error nothing is known of the kernel: the next call begins anew, with what is there. */
  #surely(work: () => ModeReport): ModeReport {
    this.#isReady = false;
    const report = work();
    this.#isReady = true;
    return report;
  }

  #find(): Table | undefined {
    const { family, name } = this.layout.table;
    return this.#nft.listTables(family).find((table) => table.name === name);
  }

  /** The port's state to come, with a number where it has affinity. */
  #next(before: Programmed | undefined, port: ServicePort): Programmed {
    this.#complaints.delete(port.name);
    if (port.affinity === undefined) return programmedOf(before, port, undefined);
    const number = this.#numbers.of(port.name);
    if (number === undefined) this.#complaints.set(port.name, 'too many service ports with session affinity');
    return programmedOf(before, port, number);
  }

  #take(before: Programmed | undefined, port: ServicePort): void {
    this.#programmed.set(port.name, this.#next(before, port));
    for (const address of clusterIpsOf(port)) this.#clusterIps.add(address);
    for (const address of hairpinsOf(port)) this.#hairpins.add(address);
  }

  /** What elements will refer to: before they do, in a transaction of its own. */
  #prepare(
    transaction: Transaction,
    before: Programmed | undefined,
    after: Programmed | undefined,
    now: number,
  ): void {
    const objects = (of: Programmed | undefined) => objectsOf(this.layout, this.#settings, this.policy, of);
    this.#structure.change(transaction, objects(before), objects(after), now);
    if (after !== undefined) this.#provide(transaction, after);
  }

  #provide(transaction: Transaction, programmed: Programmed): void {
    for (const frontend of programmed.port.frontends) {
      const placed = place(programmed, frontend, this.policy);
      const local = localValueOf(placed);
      if (placed.value !== undefined && placed.value.affinity === undefined)
        this.#structure.provide(transaction, placed.value);
      if (local !== undefined) this.#structure.provide(transaction, local);
    }
  }

  /** The changes as the kernel has to make them. */
  #due(changes: Iterable<Change>, now: number): Change[] {
    const due: Change[] = [];
    for (const change of changes) {
      const real = this.#deviations.apply(change, now);
      if (real !== undefined) due.push(real);
    }
    return due;
  }

  /** Tries once more what was refused before. */
  #retry(now: number): ModeReport['refused'] {
    const again = this.#deviations.due(now, 0).filter(({ now: wanted }) => wanted !== undefined);
    if (again.length === 0) return [];
    for (const { map, key } of again) this.#deviations.forget(map, key);
    return this.#refused(runBisected(this.#nft, this.layout, again));
  }

  /** Puts down what the kernel refused, and whose it is. */
  #refused(refusals: readonly Refusal[]): ModeReport['refused'] {
    const now = this.#now();
    return refusals.map(({ change, why }) => {
      this.#deviations.note(change.map, change.key, change.old, change.now, now);
      return { name: ownerOf(change, this.#programmed.values()), why };
    });
  }

  #complained(): ModeReport['refused'] {
    return [...this.#complaints].map(([name, why]) => ({ name, why }));
  }

  /** Makes the table anew. @param old what is in its place */
  #build(old: Table | undefined): {
    readonly changes: number;
    readonly refused: ModeReport['refused'];
    readonly repairs: number;
  } {
    const clients: ClientMemory = old === undefined ? new Map() : readClients(this.#nft, this.layout);
    this.#structure = new Structure(this.layout, this.#settings);
    this.#deviations = new Deviations();
    const provided = new Transaction();
    for (const one of this.#programmed.values()) this.#provide(provided, one);
    const expected = this.#expectedStructure();
    const transaction = new Transaction();
    if (old !== undefined) transaction.deleteTable(this.layout.table);
    const count = buildTable(transaction, this.layout, expected, clients, (sink) =>
      expectedContent(this.#programmed.values(), this.#shared(), this.policy, sink),
    );
    try {
      this.#nft.run(transaction);
      return { changes: count, refused: this.#complained(), repairs: 0 };
    } catch (error) {
      if (!isForParts(error)) throw error;
    }
    // Too large, or with something in it that the kernel does not take: the elements one by one, as far as it does.
    const frame = new Transaction();
    if (old !== undefined) frame.deleteTable(this.layout.table);
    buildTable(frame, this.layout, expected, clients, () => {});
    this.#nft.run(frame);
    const { changes, refused } = this.#reconcile();
    return { changes, refused, repairs: 0 };
  }

  #shared(): Shared {
    return { clusterIps: this.#clusterIps, hairpins: this.#hairpins };
  }

  #expectedStructure(): ExpectedStructure {
    return expectedStructure(
      this.layout,
      this.#settings,
      this.policy,
      this.#structure,
      this.#programmed.values(),
    );
  }

  /** Reads the table back and mends what is different. @param content as it was read just before */
  #reconcile(content?: SharedContent): { readonly changes: number; readonly refused: ModeReport['refused'] } {
    const found = this.#find();
    if (found === undefined) return this.#build(undefined);
    const now = this.#now();
    const provided = new Transaction();
    for (const one of this.#programmed.values()) this.#provide(provided, one);
    const repair = isOfThisLayout(found)
      ? repairStructure(
          this.layout,
          this.#expectedStructure(),
          readStructure(this.#nft, this.layout),
          this.#structure,
          now,
        )
      : undefined;
    if (repair === undefined) return this.#build(found);
    if (found.dormant) repair.transaction.add(tableOf(this.layout));
    try {
      this.#nft.run(repair.transaction);
    } catch (error) {
      if (!isForParts(error)) throw error;
      return this.#build(found);
    }
    const { changes, deviations } = compareContent(
      content ?? readShared(this.#nft, this.layout),
      (sink) => expectedContent(this.#programmed.values(), this.#shared(), this.policy, sink),
      this.#deviations,
      now,
    );
    this.#deviations = deviations;
    const refused = this.#refused(runBisected(this.#nft, this.layout, changes));
    return {
      changes: repair.differences + changes.length + (found.dormant ? 1 : 0),
      refused: [...this.#complained(), ...refused],
    };
  }
}
