/** The whole table in one transaction. Pure. */

import type { Transaction } from '../../../shared/nftables/transaction.ts';
import { addRules } from './chain-spec.ts';
import { type ClientMemory, restoreClients } from './client-memory.ts';
import type { Sink } from './content.ts';
import { addVerdicts, BlockPacker } from './element-changes.ts';
import type { ExpectedStructure } from './expected.ts';
import { type Layout, SHARED, type SharedName, tableOf, treatmentKey } from './layout.ts';

/**
 * @param tell tells every element of the shared maps
 * @returns how many elements, chains and sets it takes
 */
export function buildTable(
  transaction: Transaction,
  layout: Layout,
  { chains, sets, treatments }: ExpectedStructure,
  clients: ClientMemory,
  tell: (sink: Sink) => void,
): number {
  const { family, name: table } = layout.table;
  transaction.add(tableOf(layout));
  for (const set of Object.values(layout.sets)) transaction.add(set);
  for (const { set, ranges } of sets.values()) {
    transaction.add(set);
    if (ranges !== undefined) transaction.addElements(set, ranges);
  }
  restoreClients(transaction, clients, sets.values());
  for (const { name, base } of chains.values())
    transaction.add({ kind: 'chain', family, table, name, ...(base && { base }) });
  for (const chain of chains.values()) addRules(transaction, layout, chain);
  for (const { map, value, target } of treatments) {
    const element = { key: treatmentKey(value), data: { code: 'goto', chain: target } } as const;
    transaction.addElements(layout.sets[map], [element]);
  }
  return chains.size + sets.size + treatments.length + addContent(transaction, layout, tell);
}

function addContent(transaction: Transaction, layout: Layout, tell: (sink: Sink) => void): number {
  const packers = new Map<SharedName, BlockPacker>();
  const verdicts: { readonly key: string; readonly now: string }[] = [];
  let count = 0;
  tell((map, key, value) => {
    count += 1;
    if (map === 'firewall') {
      verdicts.push({ key, now: value });
      return;
    }
    let packer = packers.get(map);
    if (packer === undefined) {
      packer = new BlockPacker();
      packers.set(map, packer);
    }
    packer.add(key, value);
  });
  for (const name of SHARED) {
    const packer = packers.get(name);
    if (packer !== undefined) transaction.add(packer.block(layout, name));
  }
  if (verdicts.length > 0) addVerdicts(transaction, layout, verdicts);
  return count;
}
