import { DecodeError } from '../../netlink/codec/decode-error.ts';
import type { ByteWriter } from '../../netlink/codec/wire.ts';
import type { DataType } from '../model/data-type.ts';
import type { NftMap, NftSet } from '../model/set.ts';
import { typeLength, typeNumber, typesOf } from './data-types.ts';
import { messageFamily } from './family.ts';
import { Fields, nested } from './fields.ts';
import { NFGENMSG_SIZE } from './message.ts';
import { decodeSetUserdata, encodeSetUserdata, type SetNotes } from './set-userdata.ts';
import { keeps, unknownOf } from './unknown.ts';

/** enum nft_set_attributes of linux/netfilter/nf_tables.h. */
const TABLE = 1;
const NAME = 2;
const FLAGS = 3;
const KEY_TYPE = 4;
const KEY_LEN = 5;
const DATA_TYPE = 6;
const DATA_LEN = 7;
const POLICY = 8;
const DESC = 9;
const ID = 10;
const TIMEOUT = 11;
const GC_INTERVAL = 12;
const USERDATA = 13;
const PAD = 14;
const HANDLE = 16;
/** What the kernel's own structure is called and how many elements it holds; Linux 6.10 and later list them. */
const TYPE_NAME = 19;
const COUNT = 20;

/** enum nft_set_desc_attributes, nft_set_field_attributes. */
const DESC_SIZE = 1;
const DESC_CONCAT = 2;
const FIELD = 1;
const FIELD_LEN = 1;

/** enum nft_set_flags; dynamic is called EVAL there. */
const F = { ANONYMOUS: 1, CONSTANT: 2, INTERVAL: 4, MAP: 8, TIMEOUT: 16, DYNAMIC: 32, CONCAT: 128 } as const;
const KNOWN_FLAGS = F.ANONYMOUS | F.CONSTANT | F.INTERVAL | F.MAP | F.TIMEOUT | F.DYNAMIC | F.CONCAT;

/** NFT_SET_POL_MEMORY of enum nft_set_policies. */
const POLICY_MEMORY = 1;

/** NFT_DATA_VERDICT: the type of a verdict map's values. */
const DATA_VERDICT = 0xffff_ff00;

/**
 * The attributes of NFT_MSG_NEWSET.
 *
 * @param id names the set within the transaction; the kernel wants one even where nothing refers to it
 */
export function writeSet(writer: ByteWriter, set: NftSet | NftMap, id: number): void {
  const { unknown } = set;
  writer.attrString(TABLE, set.table);
  writer.attrString(NAME, set.name);
  if (!keeps(unknown, FLAGS)) writer.attrU32be(FLAGS, flagsOf(set));
  writer.attrU32be(KEY_TYPE, typeNumber(set.key));
  writer.attrU32be(KEY_LEN, typeLength(set.key));
  if (set.kind === 'map') {
    writer.attrU32be(DATA_TYPE, set.data === 'verdict' ? DATA_VERDICT : typeNumber(set.data));
    writer.attrU32be(DATA_LEN, set.data === 'verdict' ? 0 : typeLength(set.data));
  }
  writer.attrU32be(ID, id);
  if (set.policy === 'memory') writer.attrU32be(POLICY, POLICY_MEMORY);
  writeDescription(writer, set);
  if (set.timeout !== undefined) writer.attrU64be(TIMEOUT, BigInt(set.timeout));
  if (set.gcInterval !== undefined) writer.attrU32be(GC_INTERVAL, set.gcInterval);
  if (!keeps(unknown, USERDATA)) writer.attr(USERDATA, encodeSetUserdata(set));
  writer.attributes(unknown);
}

/** @throws DecodeError */
export function readSet(payload: Uint8Array): NftSet | NftMap {
  const fields = new Fields(payload, NFGENMSG_SIZE);
  fields.skip(PAD, TYPE_NAME, COUNT);
  const id = fields.optionalU32(ID);
  const handle = fields.optionalU64(HANDLE);
  const timeout = Number(fields.optionalU64(TIMEOUT) ?? 0n);
  const gcInterval = fields.optionalU32(GC_INTERVAL) ?? 0;
  const policy = fields.optionalU32(POLICY);
  const flags = fields.maskedU32(FLAGS, KNOWN_FLAGS);
  const description = fields.optionalNest(DESC);
  const size = description?.optionalU32(DESC_SIZE);
  const sizes = fieldSizes(description?.optional(DESC_CONCAT));
  const notes = notesOf(fields);
  const keyLength = fields.u32(KEY_LEN);
  const key = exactSizes(
    typesOf(fields.optionalU32(KEY_TYPE) ?? 0, keyLength, notes?.keyOrder ?? 'host'),
    sizes,
  );
  const dataType = fields.optionalU32(DATA_TYPE) ?? 0;
  const dataLength = fields.optionalU32(DATA_LEN) ?? 0;
  const base = {
    family: messageFamily(payload),
    table: fields.text(TABLE),
    name: fields.text(NAME),
    key,
    ...((flags & F.INTERVAL) === 0 ? {} : { interval: true }),
    ...((flags & F.CONSTANT) === 0 ? {} : { constant: true }),
    ...((flags & F.ANONYMOUS) === 0 ? {} : { anonymous: true }),
    ...((flags & F.DYNAMIC) === 0 ? {} : { dynamic: true }),
    ...((flags & F.TIMEOUT) === 0 || timeout > 0 ? {} : { timeouts: true }),
    ...(timeout === 0 ? {} : { timeout }),
    ...(gcInterval === 0 ? {} : { gcInterval }),
    ...(size === undefined ? {} : { size }),
    ...(policy === POLICY_MEMORY ? ({ policy: 'memory' } as const) : {}),
    ...(notes?.comment === undefined ? {} : { comment: notes.comment }),
    ...(notes === undefined || notes.hints.length === 0 ? {} : { hints: notes.hints }),
    ...(id === undefined ? {} : { id }),
    ...(handle === undefined ? {} : { handle }),
    ...unknownOf(fields.rest),
  };
  if ((flags & F.MAP) === 0) return { kind: 'set', ...base };
  const data =
    dataType === DATA_VERDICT ? 'verdict' : typesOf(dataType, dataLength, notes?.dataOrder ?? 'host');
  return { kind: 'map', ...base, data };
}

function flagsOf(set: NftSet | NftMap): number {
  let flags = set.kind === 'map' ? F.MAP : 0;
  if (set.anonymous) flags |= F.ANONYMOUS;
  if (set.constant) flags |= F.CONSTANT;
  if (set.interval) flags |= set.key.length > 1 ? F.INTERVAL | F.CONCAT : F.INTERVAL;
  if (set.timeouts || set.timeout !== undefined) flags |= F.TIMEOUT;
  if (set.dynamic) flags |= F.DYNAMIC;
  return flags;
}

/** How many elements to expect, and where the parts of a range's key end. */
function writeDescription(writer: ByteWriter, set: NftSet | NftMap): void {
  const ranges = set.interval === true && set.key.length > 1;
  if (set.size === undefined && !ranges) return;
  const description = writer.beginNest(nested(DESC));
  if (set.size !== undefined) writer.attrU32be(DESC_SIZE, set.size);
  if (ranges) {
    const concatenation = writer.beginNest(nested(DESC_CONCAT));
    for (const part of set.key) {
      const field = writer.beginNest(nested(FIELD));
      writer.attrU32be(FIELD_LEN, part.size);
      writer.endNest(field);
    }
    writer.endNest(concatenation);
  }
  writer.endNest(description);
}

function fieldSizes(concatenation: Uint8Array | undefined): number[] {
  if (concatenation === undefined) return [];
  return new Fields(concatenation).rest.map((field) => new Fields(field.payload).u32(FIELD_LEN));
}

/** Types whose size was only inferred, with the size that the kernel lists. */
function exactSizes(types: DataType[], sizes: readonly number[]): DataType[] {
  if (sizes.length !== types.length) return types;
  return types.map((type, i) => (type.size === sizes[i] ? type : { ...type, size: sizes[i] ?? type.size }));
}

/** Other programs may keep there what they like: bytes that are not nft's notes stay with the unknown attributes. */
function notesOf(fields: Fields): SetNotes | undefined {
  const bytes = fields.peek(USERDATA);
  if (bytes === undefined) return undefined;
  try {
    const notes = decodeSetUserdata(bytes);
    fields.skip(USERDATA);
    return notes;
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}
