import { NLA_F_NESTED } from '../../netlink/codec/attributes.ts';
import type { ByteWriter } from '../../netlink/codec/wire.ts';
import type { Element } from '../model/element.ts';
import type { ElementBlock } from '../model/element-block.ts';
import { FAMILY_NUMBERS } from '../model/family.ts';
import { padded, typeLength } from './data-types.ts';
import { beginMessage, endMessage } from './message.ts';

/** enum nft_set_elem_list_attributes and nft_set_elem_attributes of linux/netfilter/nf_tables.h; NFTA_DATA_VALUE. */
const LIST = { TABLE: 1, SET: 2, ELEMENTS: 3 } as const;
const KEY = 1;
const DATA = 2;
const VALUE = 1;

/** nla_len is a u16 (linux/netlink.h). */
const LIST_MAX = 0xffff;

/** How many elements there are. @throws RangeError when keys and values do not match the set's types */
export function blockLength({ set, keys, data }: ElementBlock): number {
  const count = keys.length / typeLength(set.key);
  const values = set.kind === 'map' && set.data !== 'verdict' ? count * typeLength(set.data) : 0;
  if (!Number.isInteger(count) || (data !== undefined && values !== data.length) || set.interval) {
    throw new RangeError(`a block of ${keys.length} and ${data?.length ?? 0} bytes does not fit ${set.name}`);
  }
  return count;
}

/** How many messages a block takes. */
export function blockMessages(block: ElementBlock): number {
  return Math.ceil(blockLength(block) / perMessage(sizesOf(block)));
}

/** Writes a block as `writeElements` would write its elements. */
export function writeBlock(
  writer: ByteWriter,
  block: ElementBlock,
  type: number,
  flags: number,
  nextSequence: () => number,
): void {
  const { set, keys, data } = block;
  const count = blockLength(block);
  const sizes = sizesOf(block);
  const most = perMessage(sizes);
  writer.reserve(count * (sizes.element + 4) + 4096);
  for (let from = 0; from < count; from += most) {
    const message = beginMessage(writer, type, flags, nextSequence(), FAMILY_NUMBERS[set.family]);
    writer.attrString(LIST.TABLE, set.table);
    writer.attrString(LIST.SET, set.name);
    const list = writer.beginNest(LIST.ELEMENTS | NLA_F_NESTED);
    for (let at = from; at < Math.min(count, from + most); at += 1) {
      const element = writer.beginNest((at - from + 1) | NLA_F_NESTED);
      writeValue(writer, KEY, keys, at * sizes.key, sizes.key);
      if (data !== undefined) writeValue(writer, DATA, data, at * sizes.data, sizes.data);
      writer.endNest(element);
    }
    writer.endNest(list);
    endMessage(writer, message);
  }
}

/** The same elements one by one. */
export function elementsOf(block: ElementBlock): Element[] {
  const { keys, data } = block;
  const sizes = sizesOf(block);
  return Array.from({ length: blockLength(block) }, (_, at) => ({
    key: keys.slice(at * sizes.key, (at + 1) * sizes.key),
    ...(data === undefined ? {} : { data: data.slice(at * sizes.data, (at + 1) * sizes.data) }),
  }));
}

function writeValue(writer: ByteWriter, type: number, bytes: Uint8Array, from: number, length: number): void {
  const nest = writer.beginNest(type | NLA_F_NESTED);
  writer.attrFrom(VALUE, bytes, from, length);
  writer.endNest(nest);
}

interface Sizes {
  readonly key: number;
  readonly data: number;
  /** What an element takes in the list, its header included. */
  readonly element: number;
}

function sizesOf({ set, data }: ElementBlock): Sizes {
  const key = typeLength(set.key);
  const value = data !== undefined && set.kind === 'map' && set.data !== 'verdict' ? typeLength(set.data) : 0;
  // Three headers of four bytes around a key, two more around a value.
  return { key, data: value, element: 12 + padded(key) + (data === undefined ? 0 : 8 + padded(value)) };
}

function perMessage({ element }: Sizes): number {
  return Math.floor((LIST_MAX - 4) / element);
}
