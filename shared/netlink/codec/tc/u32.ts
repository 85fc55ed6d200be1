import type { Attribute } from '../attributes.ts';
import { DecodeError } from '../decode-error.ts';
import { u8, u32 } from '../read.ts';
import type { ByteWriter } from '../wire.ts';
import { readActions, type TcAction, writeActions } from './action.ts';

/** A filter by 32-bit words of the packet. */
export interface U32Filter {
  readonly kind: 'u32';
  /** A class, see `tcHandle`. */
  readonly classId?: number;
  readonly actions?: readonly TcAction[];
  /** Absent in what the kernel tells of the hash tables that filters hang in. */
  readonly selector?: U32Selector;
  readonly unknown?: readonly Attribute[];
}

/** struct tc_u32_sel of linux/pkt_cls.h without the offsets to other headers, which are kept as bytes. */
export interface U32Selector {
  /** TC_U32_TERMINAL and its like. */
  readonly flags: number;
  /** All must agree: (word at `offset` & mask) == value. Numbers as they lie in the packet, read in host order. */
  readonly keys: readonly U32Key[];
  /** Bytes 4 to 15, where they are not zero: offmask, off, offoff, hoff, hmask. */
  readonly offsets?: Uint8Array;
  /** Byte 1. */
  readonly offsetShift?: number;
}

export interface U32Key {
  readonly mask: number;
  readonly value: number;
  readonly offset: number;
  readonly offsetMask: number;
}

/** What agrees is not looked at any further. */
export const TC_U32_TERMINAL = 1;

/** A selector that every packet agrees with. */
export const EVERY_PACKET: U32Selector = {
  flags: TC_U32_TERMINAL,
  keys: [{ mask: 0, value: 0, offset: 0, offsetMask: 0 }],
};

/** TCA_U32_* of linux/pkt_cls.h. */
const U32 = { CLASSID: 1, SEL: 5, ACT: 7 } as const;

/** Sizes of struct tc_u32_sel and of struct tc_u32_key. */
const SELECTOR_SIZE = 16;
const KEY_SIZE = 16;

/** Writes the content of TCA_OPTIONS, in the order of `tc`. */
export function writeU32(writer: ByteWriter, filter: U32Filter): void {
  if (filter.classId !== undefined) writer.attrU32(U32.CLASSID, filter.classId);
  if (filter.actions !== undefined) {
    const start = writer.beginNest(U32.ACT);
    writeActions(writer, filter.actions);
    writer.endNest(start);
  }
  if (filter.selector !== undefined) {
    const start = writer.beginNest(U32.SEL);
    writeSelector(writer, filter.selector);
    writer.endNest(start);
  }
  writer.attributes(filter.unknown);
}

/** @throws DecodeError */
export function readU32(attributes: readonly Attribute[]): U32Filter {
  const found: { -readonly [K in keyof U32Filter]: U32Filter[K] } = { kind: 'u32' };
  const unknown: Attribute[] = [];
  for (const attribute of attributes) {
    const { type, payload } = attribute;
    if (type === U32.CLASSID) found.classId = u32(payload);
    else if (type === U32.ACT) found.actions = readActions(payload);
    else if (type === U32.SEL) found.selector = readSelector(payload);
    else unknown.push(attribute);
  }
  return unknown.length === 0 ? found : { ...found, unknown };
}

function writeSelector(writer: ByteWriter, selector: U32Selector): void {
  writer.u8(selector.flags);
  writer.u8(selector.offsetShift ?? 0);
  writer.u8(selector.keys.length);
  writer.u8(0);
  writer.bytes(selector.offsets ?? new Uint8Array(SELECTOR_SIZE - 4));
  for (const key of selector.keys) {
    writer.u32(key.mask);
    writer.u32(key.value);
    writer.u32(key.offset);
    writer.u32(key.offsetMask);
  }
}

function readSelector(bytes: Uint8Array): U32Selector {
  const count = u8(bytes, 2);
  if (bytes.length < SELECTOR_SIZE + count * KEY_SIZE) {
    throw new DecodeError(`a selector of ${bytes.length} bytes claims ${count} keys`);
  }
  const keys: U32Key[] = [];
  for (let at = SELECTOR_SIZE; keys.length < count; at += KEY_SIZE) {
    keys.push({
      mask: u32(bytes, at),
      value: u32(bytes, at + 4),
      offset: u32(bytes, at + 8),
      offsetMask: u32(bytes, at + 12),
    });
  }
  const offsets = bytes.slice(4, SELECTOR_SIZE);
  const shift = u8(bytes, 1);
  return {
    flags: u8(bytes),
    keys,
    ...(isZero(offsets) ? {} : { offsets }),
    ...(shift === 0 ? {} : { offsetShift: shift }),
  };
}

function isZero(bytes: Uint8Array): boolean {
  for (const byte of bytes) if (byte !== 0) return false;
  return true;
}
