import { DecodeError } from '../../netlink/codec/decode-error.ts';
import type { ByteWriter } from '../../netlink/codec/wire.ts';
import { FAMILY_NUMBERS } from '../model/family.ts';
import type { NftMap, NftSet } from '../model/set.ts';
import { type RawElement, readElement, writeElement } from './element.ts';
import { nested } from './fields.ts';
import { beginMessage, endMessage, NFGENMSG_SIZE } from './message.ts';

/** enum nft_set_elem_list_attributes of linux/netfilter/nf_tables.h. */
const TABLE = 1;
const SET = 2;
const ELEMENTS = 3;
const SET_ID = 4;

/** nla_len is a u16 (linux/netlink.h), so a list of elements that is longer takes several messages. */
const LIST_MAX = 0xffff;

/**
 * Writes as many messages as the elements need: none for no elements, as a deletion without any would empty the set.
 *
 * @param nextSequence gives each message its number
 */
export function writeElements(
  writer: ByteWriter,
  set: NftSet | NftMap,
  elements: readonly RawElement[],
  type: number,
  flags: number,
  nextSequence: () => number,
): void {
  let next = 0;
  while (next < elements.length) {
    const message = beginMessage(writer, type, flags, nextSequence(), FAMILY_NUMBERS[set.family]);
    writer.attrString(TABLE, set.table);
    writer.attrString(SET, set.name);
    if (set.id !== undefined) writer.attrU32be(SET_ID, set.id);
    const list = writer.beginNest(nested(ELEMENTS));
    const first = next;
    for (; next < elements.length; next++) {
      const before = writer.length;
      writeElement(writer, next - first + 1, elements[next] as RawElement);
      if (writer.length - list > LIST_MAX) {
        if (next === first) throw new RangeError('an element does not fit a message');
        writer.reset(before);
        break;
      }
    }
    writer.endNest(list);
    endMessage(writer, message);
  }
}

/** Appends the elements of one message to `into`. @throws DecodeError */
export function readElements(payload: Uint8Array, into: RawElement[]): void {
  for (let at = NFGENMSG_SIZE; payload.length - at >= 4; ) {
    const length = lengthAt(payload, at, payload.length);
    if (((payload[at + 2] as number) | (((payload[at + 3] as number) & 0x3f) << 8)) === ELEMENTS) {
      readList(payload, at + 4, at + length, into);
    }
    at += (length + 3) & ~3;
  }
}

function readList(bytes: Uint8Array, start: number, end: number, into: RawElement[]): void {
  for (let at = start; end - at >= 4; ) {
    const length = lengthAt(bytes, at, end);
    into.push(readElement(bytes, at + 4, at + length));
    at += (length + 3) & ~3;
  }
}

function lengthAt(bytes: Uint8Array, at: number, end: number): number {
  const length = (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
  if (length < 4 || length > end - at)
    throw new DecodeError(`attribute at byte ${at} claims ${length} bytes`);
  return length;
}
