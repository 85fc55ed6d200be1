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

/**
 * As `readElements`, for sets without ranges and maps without verdicts: keys and values as strings whose characters are
 * the bytes, which is what a quarter of a million of them have room for.
 *
 * @returns how many there were
 * @throws DecodeError
 */
export function readPacked(payload: Uint8Array, into: Map<string, string>): number {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
  let count = 0;
  for (let at = NFGENMSG_SIZE; payload.length - at >= 4; ) {
    const length = lengthAt(payload, at, payload.length);
    if (((payload[at + 2] as number) | (((payload[at + 3] as number) & 0x3f) << 8)) === ELEMENTS) {
      for (let element = at + 4; at + length - element >= 4; count += 1) {
        const end = element + lengthAt(payload, element, at + length);
        readPackedElement(bytes, element + 4, end, into);
        element = (end + 3) & ~3;
      }
    }
    at += (length + 3) & ~3;
  }
  return count;
}

function readPackedElement(bytes: Buffer, start: number, end: number, into: Map<string, string>): void {
  let key = '';
  let value = '';
  for (let at = start; end - at >= 4; ) {
    const length = lengthAt(bytes, at, end);
    const type = bytes[at + 2];
    // NFTA_SET_ELEM_KEY and _DATA, each around one NFTA_DATA_VALUE.
    if ((type === 1 || type === 2) && length > 8) {
      const text = bytes.toString('latin1', at + 8, at + 4 + lengthAt(bytes, at + 4, at + length));
      if (type === 1) key = text;
      else value = text;
    }
    at += (length + 3) & ~3;
  }
  into.set(key, value);
}

function lengthAt(bytes: Uint8Array, at: number, end: number): number {
  const length = (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
  if (length < 4 || length > end - at)
    throw new DecodeError(`attribute at byte ${at} claims ${length} bytes`);
  return length;
}
