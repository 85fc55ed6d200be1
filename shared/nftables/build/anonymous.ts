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
  const set: NftSet = { kind: 'set', ...common(transaction, table, key, elements), name: '__set%d' };
  transaction.add(set).addElements(set, elements);
  return { name: set.name, id: set.id ?? 0 };
}

/** The verdict map that `ip saddr vmap { … }` means; as `anonymousSet`, for `vmap`. */
export function anonymousVerdictMap(
  transaction: Transaction,
  table: TableRef,
  key: readonly DataType[],
  elements: readonly Element[],
): { readonly name: string; readonly id: number } {
  const shared = common(transaction, table, key, elements);
  const map: NftMap = { kind: 'map', ...shared, name: '__map%d', data: 'verdict' };
  transaction.add(map).addElements(map, elements);
  return { name: map.name, id: map.id ?? 0 };
}

function common(
  transaction: Transaction,
  table: TableRef,
  key: readonly DataType[],
  elements: readonly Element[],
): Omit<NftSet, 'kind' | 'name'> {
  return {
    family: table.family,
    table: table.name,
    key,
    anonymous: true,
    constant: true,
    size: elements.length,
    // Unique, because every set takes a step of its own.
    id: transaction.operations.length + 1,
  };
}
