import type { DataType } from '../model/data-type.ts';
import type { Element } from '../model/element.ts';
import type { NftSet } from '../model/set.ts';
import type { TableRef } from '../model/table.ts';
import type { Transaction } from '../transaction.ts';

/**
 * Makes the set that `meta l4proto { tcp, udp }` means: it belongs to the one rule that uses it, which must be added
 * in the same transaction, and is deleted with that rule.
 *
 * @returns what `inSet` wants
 */
export function anonymousSet(
  transaction: Transaction,
  table: TableRef,
  key: readonly DataType[],
  elements: readonly Element[],
): { readonly name: string; readonly id: number } {
  // Unique, because every set takes a step of its own.
  const id = transaction.operations.length + 1;
  const set: NftSet = {
    kind: 'set',
    family: table.family,
    table: table.name,
    name: '__set%d',
    key,
    anonymous: true,
    constant: true,
    size: elements.length,
    id,
  };
  transaction.add(set).addElements(set, elements);
  return { name: set.name, id };
}
