/** Which clients were served by which endpoint (affinity), carried over from a table that is replaced. */

import type { Element } from '../../../shared/nftables/model/element.ts';
import type { Nftables } from '../../../shared/nftables/nftables.ts';
import type { Transaction } from '../../../shared/nftables/transaction.ts';
import type { Layout } from './layout.ts';
import { CLIENTS } from './object-names.ts';
import type { OwnSet } from './objects.ts';

/** Clients by the name of their set. */
export type ClientMemory = ReadonlyMap<string, readonly Element[]>;

/** Sets of clients are called alike in every layout. */
export function readClients(nft: Nftables, { table }: Layout): ClientMemory {
  const memory = new Map<string, readonly Element[]>();
  for (const set of nft.listSets(table)) {
    if (set.kind === 'set' && set.name.startsWith(CLIENTS)) memory.set(set.name, nft.listElements(set));
  }
  return memory;
}

/** Puts clients into the sets that are of the same endpoints of the same service ports. */
export function restoreClients(transaction: Transaction, memory: ClientMemory, sets: Iterable<OwnSet>): void {
  for (const { set, ranges } of sets) {
    const clients = ranges === undefined ? memory.get(set.name) : undefined;
    const [size] = set.key.map(({ size }) => size);
    const elements = (clients ?? [])
      .filter(({ key, timeout }) => key.length === size && timeout !== undefined)
      .map(({ key, timeout, expires }) => ({
        key,
        ...(timeout !== undefined && { timeout }),
        ...(expires !== undefined && { expires }),
      }));
    if (elements.length > 0) transaction.addElements(set, elements);
  }
}
