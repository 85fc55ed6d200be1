import { type Attribute, parseAttributes } from '../../netlink/codec/attributes.ts';
import { DecodeError } from '../../netlink/codec/decode-error.ts';
import { u32be, u64be } from '../../netlink/codec/read.ts';
import type { ByteWriter } from '../../netlink/codec/wire.ts';
import type { Element } from '../model/element.ts';
import type { UserdataRecord } from '../model/userdata.ts';
import { readData, writeValue, writeVerdict } from './data.ts';
import { NotModelled, nested } from './fields.ts';
import { keeps } from './unknown.ts';
import { commentRecord, commentText, decodeUserdata, encodeUserdata, UDATA_COMMENT } from './userdata.ts';

/** enum nft_set_elem_attributes of linux/netfilter/nf_tables.h. */
const KEY = 1;
const DATA = 2;
const FLAGS = 3;
const TIMEOUT = 4;
const EXPIRATION = 5;
const USERDATA = 6;
const PAD = 8;
const KEY_END = 10;

/** NFTA_DATA_VALUE of enum nft_data_attributes. */
const DATA_VALUE = 1;

/** NFT_SET_ELEM_INTERVAL_END. */
const INTERVAL_END = 1;

/** NFTNL_UDATA_SET_ELEM_FLAGS with NFTNL_SET_ELEM_F_INTERVAL_OPEN (libnftnl): a range up to the last key there is. */
const UDATA_FLAGS = 1;
const OPEN: Uint8Array = Uint8Array.of(1, 0, 0, 0);

/** An element as the kernel sees it: of a range in a set without concatenation, one of its two ends. */
export interface RawElement extends Element {
  /** The first key behind a range. */
  readonly isEnd?: boolean;
  /** Nothing marks the end of this range, since no key lies behind it. */
  readonly isOpen?: boolean;
}

type Draft = { -readonly [K in keyof RawElement]: RawElement[K] };

/** Writes one element as the attribute `type` of a list. */
export function writeElement(writer: ByteWriter, type: number, element: RawElement): void {
  const { data, unknown } = element;
  const nest = writer.beginNest(nested(type));
  if (element.isEnd && !keeps(unknown, FLAGS)) writer.attrU32be(FLAGS, INTERVAL_END);
  if (element.timeout !== undefined) writer.attrU64be(TIMEOUT, BigInt(element.timeout));
  if (element.expires !== undefined) writer.attrU64be(EXPIRATION, BigInt(element.expires));
  if (!keeps(unknown, KEY)) writeValue(writer, KEY, element.key);
  if (element.keyEnd !== undefined) writeValue(writer, KEY_END, element.keyEnd);
  if (data instanceof Uint8Array) writeValue(writer, DATA, data);
  else if (data !== undefined) writeVerdict(writer, DATA, data);
  if (element.comment !== undefined || element.isOpen) writeUserdata(writer, element);
  if (unknown !== undefined) writer.attributes(unknown);
  writer.endNest(nest);
}

function writeUserdata(writer: ByteWriter, { comment, isOpen, unknown }: RawElement): void {
  if (keeps(unknown, USERDATA)) return;
  const records: UserdataRecord[] = [];
  if (comment !== undefined) records.push(commentRecord(comment));
  if (isOpen) records.push({ type: UDATA_FLAGS, value: OPEN });
  writer.attr(USERDATA, encodeUserdata(records));
}

/**
 * Reads the content of one element of a list, from `start` to `end`. Written without the general attribute parser:
 * listing a large map spends its time here.
 * @throws DecodeError
 */
export function readElement(bytes: Uint8Array, start: number = 0, end: number = bytes.length): RawElement {
  const element: Draft = { key: new Uint8Array(0) };
  let unknown: Attribute[] | undefined;
  for (let at = start; end - at >= 4; ) {
    const length = attributeLength(bytes, at, end);
    const type = (bytes[at + 2] as number) | (((bytes[at + 3] as number) & 0x3f) << 8);
    if (!take(element, type, bytes, at + 4, at + length)) {
      unknown ??= [];
      unknown.push(...parseAttributes(bytes, at, at + length));
    }
    at += (length + 3) & ~3;
  }
  if (unknown !== undefined) element.unknown = unknown;
  return element;
}

/** Puts an attribute into its place; false when it has none, or when its place does not hold all of it. */
function take(element: Draft, type: number, bytes: Uint8Array, start: number, end: number): boolean {
  switch (type) {
    case KEY: {
      const key = valueAt(bytes, start, end);
      if (key === undefined) return false;
      element.key = key;
      return true;
    }
    case KEY_END: {
      const key = valueAt(bytes, start, end);
      if (key === undefined) return false;
      element.keyEnd = key;
      return true;
    }
    case DATA: {
      const value = valueAt(bytes, start, end);
      if (value === undefined) return takeVerdict(element, bytes.slice(start, end));
      element.data = value;
      return true;
    }
    case FLAGS: {
      const flags = u32be(bytes.subarray(start, end));
      if ((flags & INTERVAL_END) !== 0) element.isEnd = true;
      return (flags & ~INTERVAL_END) === 0;
    }
    case TIMEOUT:
      element.timeout = Number(u64be(bytes.subarray(start, end)));
      return true;
    case EXPIRATION:
      element.expires = Number(u64be(bytes.subarray(start, end)));
      return true;
    case USERDATA:
      return takeUserdata(element, bytes.slice(start, end));
    case PAD:
      return true;
    default:
      return false;
  }
}

/** The value of a nest that holds NFTA_DATA_VALUE and nothing else. */
function valueAt(bytes: Uint8Array, start: number, end: number): Uint8Array | undefined {
  if (end - start < 4 || bytes[start + 2] !== DATA_VALUE || ((bytes[start + 3] as number) & 0x3f) !== 0)
    return undefined;
  const length = attributeLength(bytes, start, end);
  if (((length + 3) & ~3) < end - start) return undefined;
  return bytes.slice(start + 4, start + length);
}

function takeVerdict(element: Draft, payload: Uint8Array): boolean {
  try {
    element.data = readData(payload);
    return true;
  } catch (error) {
    if (error instanceof NotModelled) return false;
    throw error;
  }
}

function takeUserdata(element: Draft, payload: Uint8Array): boolean {
  let records: UserdataRecord[];
  try {
    records = decodeUserdata(payload);
  } catch (error) {
    if (error instanceof DecodeError) return false;
    throw error;
  }
  let understood = true;
  for (const { type, value } of records) {
    const comment = type === UDATA_COMMENT ? commentText(value) : undefined;
    if (comment !== undefined && element.comment === undefined) element.comment = comment;
    else if (type === UDATA_FLAGS && value.length === 4 && value[0] === 1) element.isOpen = true;
    else understood = false;
  }
  return understood;
}

function attributeLength(bytes: Uint8Array, at: number, end: number): number {
  const length = (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
  if (length < 4 || length > end - at)
    throw new DecodeError(`attribute at byte ${at} claims ${length} bytes`);
  return length;
}
