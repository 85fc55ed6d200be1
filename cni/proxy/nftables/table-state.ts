/**
 * The table of one family: what is programmed in it, and how the kernel is brought there. Whatever surprises, the table
 * is read back and mended element by element; it is made anew, in one transaction, only where its own maps or base chains
 * are not what they should be.
 */

import type { NftError } from '../../../shared/nftables/error.ts';
import type { Table } from '../../../shared/nftables/model/table.ts';
import type { Nftables } from '../../../shared/nftables/nftables.ts';
import { Transaction } from '../../../shared/nftables/transaction.ts';
import type { ModeReport, ModeSettings, ServicePorts } from '../mode.ts';
import type { ServicePort, ServicePortName } from '../model/service-port.ts';
import { adoptNumbers, adoptSlots } from './adopt.ts';
import { AffinityNumbers } from './affinity-numbers.ts';
import { buildTable } from './build-table.ts';
import { type Change, Changes } from './changes.ts';
import { type ClientMemory, readClients } from './client-memory.ts';
import { difference } from './content.ts';
import { Counts } from './counts.ts';
import { Deviations } from './deviations.ts';
import { type ExpectedStructure, expectedContent, expectedStructure } from './expected.ts';
import { isOfThisLayout, isSlots, type Layout, layoutOf, type SharedName, tableOf } from './layout.ts';
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

interface Step {
  readonly name: ServicePortName;
  readonly before: Programmed | undefined;
  readonly after: Programmed | undefined;
}

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
    return this.#structure.hasUseless || this.#deviations.size > 0;
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
      this.#isReady = true;
      return this.#build(found);
    }
    const content = readShared(this.#nft, this.layout);
    const kernel = readStructure(this.#nft, this.layout);
    adoptNumbers(kernel, ports, this.#numbers, this.#structure);
    for (const port of ports) this.#take(adoptSlots(port, content), port);
    this.#isReady = true;
    const { changes, refused } = this.#reconcile(content);
    return { changes, refused, repairs: 0 };
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
    const gathered = this.#gather(steps);
    for (const { name, after } of steps) {
      if (after === undefined) this.#programmed.delete(name);
      else this.#programmed.set(name, after);
    }
    const changes = this.#due(gathered, now);
    try {
      this.#nft.run(prepared);
      runChanges(this.#nft, this.layout, changes);
    } catch (error) {
      if (!isSurprise(error)) throw error;
      const mended = this.#reconcile();
      return { ...mended, repairs: 0 };
    }
    const refused = this.#retry(now);
    return { changes: changes.length, refused: [...this.#complained(), ...refused], repairs: 0 };
  }

  verify(ports: ServicePorts): ModeReport {
    if (!this.#isReady) return this.replace(ports);
    const { changes, refused } = this.#reconcile();
    return { changes, refused, repairs: changes };
  }

  /** Takes away what has been of no use for that long, in milliseconds. */
  sweep(age: number): void {
    const now = this.#now();
    const useless = this.#deviations.due(now, age).filter(({ now: wanted }) => wanted === undefined);
    const transaction = new Transaction();
    const { done } = this.#structure.sweep(transaction, now, age);
    try {
      runChanges(this.#nft, this.layout, useless);
      for (const { map, key } of useless) this.#deviations.forget(map, key);
      this.#nft.run(transaction);
    } catch (error) {
      if (!isSurprise(error)) throw error;
      this.#reconcile();
      return;
    }
    this.#numbers.release(done(), (port) => this.#programmed.get(port)?.affinity !== undefined);
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

  #gather(steps: readonly Step[]): Changes {
    const changes = new Changes();
    const added: (readonly [SharedName, string, string])[] = [];
    for (const { before, after } of steps) {
      difference(
        before,
        after,
        this.policy,
        (map, key, old) => changes.remove(map, key, old),
        (map, key, now) => added.push([map, key, now]),
      );
      if (before === undefined || before.port === after?.port) continue;
      for (const address of clusterIpsOf(before.port)) {
        if (this.#clusterIps.remove(address)) changes.remove('cluster-ips', address, '');
      }
      for (const address of hairpinsOf(before.port)) {
        if (this.#hairpins.remove(address)) changes.remove('hairpin', address + address, '');
      }
    }
    for (const [map, key, now] of added) changes.add(map, key, now);
    for (const { before, after } of steps) {
      if (after === undefined || before?.port === after.port) continue;
      for (const address of clusterIpsOf(after.port)) {
        if (this.#clusterIps.add(address)) changes.add('cluster-ips', address, '');
      }
      for (const address of hairpinsOf(after.port)) {
        if (this.#hairpins.add(address)) changes.add('hairpin', address + address, '');
      }
    }
    return changes;
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

  #shared() {
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
    const changes = this.#compare(content ?? readShared(this.#nft, this.layout), now);
    const refused = this.#refused(runBisected(this.#nft, this.layout, changes));
    return {
      changes: repair.differences + changes.length + (found.dormant ? 1 : 0),
      refused: [...this.#complained(), ...refused],
    };
  }

  /** What the shared maps lack, and what they hold too much. Consumes `content`. */
  #compare(content: SharedContent, now: number): Change[] {
    const known = this.#deviations;
    this.#deviations = new Deviations();
    const differences = new Changes();
    expectedContent(this.#programmed.values(), this.#shared(), this.policy, (map, key, value) => {
      const elements = content.get(map);
      const held = elements?.get(key);
      elements?.delete(key);
      if (held === value) return;
      if (held !== undefined) differences.remove(map, key, held);
      differences.add(map, key, value);
    });
    for (const [map, elements] of content) {
      for (const [key, held] of elements) {
        const since = isSlots(map) ? (known.since(map, key) ?? now) : now;
        if (isSlots(map)) this.#deviations.note(map, key, held, undefined, since);
        else differences.remove(map, key, held);
      }
    }
    return [...differences];
  }
}

/** The kernel does not hold what was taken for granted, or it cannot be known whether it does. */
function isSurprise(error: unknown): error is NftError {
  return isForParts(error);
}
