/** Compares chains, rules, sets and verdicts with what the kernel has, and mends what differs, in place. Pure. */

import type { Element } from '../../../shared/nftables/model/element.ts';
import type { NftMap, NftSet } from '../../../shared/nftables/model/set.ts';
import { Transaction } from '../../../shared/nftables/transaction.ts';
import { addRules, type ChainSpec, sameRules } from './chain-spec.ts';
import type { ExpectedStructure } from './expected.ts';
import { sameRanges } from './firewall.ts';
import { type Layout, TREATMENTS, treatmentKey } from './layout.ts';
import type { KernelChain, KernelStructure } from './read-back.ts';
import type { Structure } from './structure.ts';

export interface StructureRepair {
  readonly transaction: Transaction;
  /** How many chains, sets and verdicts differ. */
  readonly differences: number;
}

/**
 * @param discard hands over what is there of no use
 * @returns undefined where the table's own sets or base chains are not what they should be: it must be made anew then
 */
export function repairStructure(
  layout: Layout,
  expected: ExpectedStructure,
  kernel: KernelStructure,
  structure: Structure,
  now: number,
): StructureRepair | undefined {
  const transaction = new Transaction();
  let differences = 0;
  for (const set of Object.values(layout.sets)) {
    const found = kernel.sets.get(set.name);
    if (found === undefined || !sameSet(found, set)) return undefined;
  }
  for (const { set, ranges } of expected.sets.values()) {
    const found = kernel.sets.get(set.name);
    if (found !== undefined && !sameSet(found, set)) return undefined;
    const held = kernel.ranges.get(set.name);
    if (found !== undefined && (ranges === undefined || (held && sameRanges(held, ranges)))) continue;
    differences += 1;
    if (found === undefined) transaction.add(set);
    else transaction.flushSet(set);
    if (ranges !== undefined) transaction.addElements(set, ranges);
  }
  structure.forgetAbsent(
    (kind, name) => (kind === 'chain' ? kernel.chains : kernel.sets).has(name),
    new Set([...kernel.treatments.values()].flatMap((values) => [...values.keys()])),
  );
  const made: ChainSpec[] = [];
  for (const chain of expected.chains.values()) {
    const found = kernel.chains.get(chain.name);
    if (found !== undefined && !sameBase(found, chain)) return undefined;
    if (found !== undefined && sameRules({ name: chain.name, rules: found.rules }, chain)) continue;
    differences += 1;
    made.push(chain);
    const { family, name: table } = layout.table;
    if (found !== undefined) transaction.flushChain({ family, table, name: chain.name });
    else
      transaction.add({
        kind: 'chain',
        family,
        table,
        name: chain.name,
        ...(chain.base && { base: chain.base }),
      });
  }
  for (const chain of made) addRules(transaction, layout, chain);
  differences += repairTreatments(layout, expected, kernel, structure, now, transaction);
  for (const name of kernel.chains.keys()) {
    if (expected.chains.has(name) || structure.isUseless('chain', name)) continue;
    structure.discardChain(name, now);
    differences += 1;
  }
  for (const name of kernel.sets.keys()) {
    if (name in layout.sets || expected.sets.has(name) || structure.isUseless('set', name)) continue;
    structure.discardSet(name, now);
    differences += 1;
  }
  return { transaction, differences };
}

function repairTreatments(
  layout: Layout,
  expected: ExpectedStructure,
  kernel: KernelStructure,
  structure: Structure,
  now: number,
  transaction: Transaction,
): number {
  let differences = 0;
  const wanted = new Map(expected.treatments.map((treatment) => [treatment.value, treatment]));
  for (const map of TREATMENTS) {
    const found = kernel.treatments.get(map) ?? new Map<number, string | undefined>();
    for (const { value, target } of wanted.values()) {
      if (wanted.get(value)?.map !== map || (found.has(value) && found.get(value) === target)) continue;
      differences += 1;
      const element: Element = { key: treatmentKey(value), data: { code: 'goto', chain: target } };
      if (found.has(value)) transaction.deleteElements(layout.sets[map], [{ key: element.key }]);
      transaction.addElements(layout.sets[map], [element]);
    }
    for (const value of found.keys()) {
      if (wanted.get(value)?.map === map || structure.isUselessTreatment(value)) continue;
      structure.discardTreatment(map, value, now);
      differences += 1;
    }
  }
  return differences;
}

function sameBase({ base: found }: KernelChain, { base: wanted }: ChainSpec): boolean {
  if (found === undefined || wanted === undefined) return found === wanted;
  return (
    found.type === wanted.type &&
    found.hook === wanted.hook &&
    found.priority === wanted.priority &&
    found.policy === wanted.policy
  );
}

/** Whether a set is of the same definition, as far as the kernel minds. */
function sameSet(found: NftSet | NftMap, wanted: NftSet | NftMap): boolean {
  const types = (set: NftSet | NftMap): string =>
    JSON.stringify([
      set.kind,
      set.key.map(({ id, size }) => [id, size]),
      set.kind === 'set' || set.data === 'verdict' ? set.kind : set.data.map(({ id, size }) => [id, size]),
      set.interval ?? false,
      set.dynamic ?? false,
      set.timeouts ?? false,
      set.size,
    ]);
  return types(found) === types(wanted);
}
