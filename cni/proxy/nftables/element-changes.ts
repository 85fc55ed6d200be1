/** Changes of elements as operations of a transaction. Pure. */

import type { ElementBlock } from '../../../shared/nftables/model/element-block.ts';
import type { Transaction } from '../../../shared/nftables/transaction.ts';
import { bytesOf } from '../model/endpoint.ts';
import type { Change } from './changes.ts';
import type { Layout, SharedName } from './layout.ts';

/** Adds the changes in their order, those of one map together: first what goes, then what comes. */
export function addChanges(transaction: Transaction, layout: Layout, changes: readonly Change[]): void {
  for (let from = 0; from < changes.length; ) {
    const { map } = changes[from] as Change;
    let to = from;
    while (changes[to]?.map === map) to += 1;
    const run = changes.slice(from, to);
    const gone = run.filter(({ old }) => old !== undefined);
    const come = run.filter(({ now }) => now !== undefined);
    if (map === 'firewall') {
      if (gone.length > 0) transaction.deleteElements(layout.sets.firewall, gone.map(keyed));
      if (come.length > 0) addVerdicts(transaction, layout, come);
    } else {
      if (gone.length > 0) transaction.deleteBlock(blockOf(layout, map, gone, 'old'));
      if (come.length > 0) transaction.add(blockOf(layout, map, come, 'now'));
    }
    from = to;
  }
}

function blockOf(
  layout: Layout,
  map: SharedName,
  changes: readonly Change[],
  side: 'old' | 'now',
): ElementBlock {
  const packer = new BlockPacker();
  for (const change of changes) packer.add(change.key, change[side] as string);
  return packer.block(layout, map);
}

/**
 * Adds elements to `firewall`, with the names of chains as values. By jump: who is let through goes on where the others
 * are, with the next rule.
 */
export function addVerdicts(
  transaction: Transaction,
  layout: Layout,
  come: readonly Pick<Change, 'key' | 'now'>[],
): void {
  transaction.addElements(
    layout.sets.firewall,
    come.map((change) => ({ ...keyed(change), data: { code: 'jump', chain: change.now as string } })),
  );
}

function keyed({ key }: Pick<Change, 'key'>): { readonly key: Uint8Array } {
  return { key: bytesOf(key) };
}

/** Gathers elements of one map into a block: their bytes, and no object for each. */
export class BlockPacker {
  #keys = new Uint8Array(1024);
  #data = new Uint8Array(1024);
  #keyLength = 0;
  #dataLength = 0;

  add(key: string, value: string): void {
    if (this.#keyLength + key.length > this.#keys.length) this.#keys = grown(this.#keys);
    if (this.#dataLength + value.length > this.#data.length) this.#data = grown(this.#data);
    for (let at = 0; at < key.length; at += 1) this.#keys[this.#keyLength++] = key.charCodeAt(at);
    for (let at = 0; at < value.length; at += 1) this.#data[this.#dataLength++] = value.charCodeAt(at);
  }

  block(layout: Layout, map: SharedName): ElementBlock {
    const keys = this.#keys.subarray(0, this.#keyLength);
    const data = this.#data.subarray(0, this.#dataLength);
    return { kind: 'block', set: layout.sets[map], keys, ...(data.length > 0 && { data }) };
  }
}

function grown(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(bytes.length * 2);
  larger.set(bytes);
  return larger;
}
