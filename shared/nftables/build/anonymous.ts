import type { DataType } from '../model/data-type.ts';
import type { Element } from '../model/element.ts';
import type { NftMap, NftSet } from '../model/set.ts';
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
  return addAnonymous(transaction, { ...describing(table, '__set%d', key, elements), kind: 'set' }, elements);
}

/**
 * Makes the map that `… vmap { 0 : jump a, 1 : accept }` means, alike.
 *
 * @returns what `vmap` wants
 */
export function anonymousVerdicts(
  transaction: Transaction,
  table: TableRef,
  key: readonly DataType[],
  elements: readonly Element[],
): { readonly name: string; readonly id: number } {
  const map = { ...describing(table, '__map%d', key, elements), kind: 'map', data: 'verdict' } as const;
  return addAnonymous(transaction, map, elements);
}

function describing(
  table: TableRef,
  name: string,
  key: readonly DataType[],
  elements: readonly Element[],
): Omit<NftSet, 'kind'> {
  return {
    family: table.family,
    table: table.name,
    name,
    key,
    anonymous: true,
    constant: true,
    size: elements.length,
  };
}

function addAnonymous(
  transaction: Transaction,
  set: NftSet | NftMap,
  elements: readonly Element[],
): { readonly name: string; readonly id: number } {
  // Unique, because every set takes a step of its own.
  const id = transaction.operations.length + 1;
  const identified = { ...set, id };
  transaction.add(identified).addElements(identified, elements);
  return { name: set.name, id };
}
