import { u32 } from '../../netlink/codec/read.ts';
import type { DataType } from '../model/data-type.ts';
import type { NftMap, NftSet } from '../model/set.ts';
import type { UserdataRecord } from '../model/userdata.ts';
import { commentRecord, commentText, decodeUserdata, encodeUserdata } from './userdata.ts';

/** enum nftnl_udata_set_types of libnftnl's udata.h. */
const KEY_BYTEORDER = 0;
const DATA_BYTEORDER = 1;
const KEY_TYPEOF = 3;
const DATA_TYPEOF = 4;
const DATA_INTERVAL = 6;
const COMMENT = 7;

/** enum byteorder of nftables' src/datatype.h. */
const BYTEORDERS = { none: 0, host: 1, network: 2 } as const;

/**
 * What nft notes for a concatenation declared by types: record 0 says that the expression is a concatenation
 * (EXPR_CONCAT = 13 of nftables' src/expression.h), record 1 holds its parts, none here.
 */
const CONCATENATION: Uint8Array = Uint8Array.of(0, 4, 13, 0, 0, 0, 1, 0);

/**
 * The notes that nft needs to print elements: the byte order of plain keys and values, and that a concatenation is
 * one. Without them it prints ports and marks with their bytes swapped.
 */
export function encodeSetUserdata(set: NftSet | NftMap): Uint8Array {
  const records = [number(KEY_BYTEORDER, byteOrder(set.key))];
  if (set.key.length > 1) records.push({ type: KEY_TYPEOF, value: CONCATENATION });
  if (set.kind === 'map') {
    records.push(number(DATA_BYTEORDER, byteOrder(set.data)), number(DATA_INTERVAL, 0));
    if (set.data !== 'verdict' && set.data.length > 1)
      records.push({ type: DATA_TYPEOF, value: CONCATENATION });
  }
  if (set.comment !== undefined) records.push(commentRecord(set.comment, COMMENT));
  const hints = set.hints ?? [];
  const derived = records.filter(({ type }) => !hints.some((hint) => hint.type === type));
  return encodeUserdata([...derived, ...hints].sort((a, b) => a.type - b.type));
}

/** What the notes say: a single key's and value's byte order, the comment, and all that does not follow from these. */
export interface SetNotes {
  readonly keyOrder: DataType['byteOrder'];
  readonly dataOrder: DataType['byteOrder'];
  readonly comment?: string;
  readonly hints: readonly UserdataRecord[];
}

/** @throws DecodeError when the bytes are not records */
export function decodeSetUserdata(bytes: Uint8Array): SetNotes {
  let comment: string | undefined;
  let keyOrder: DataType['byteOrder'] = 'host';
  let dataOrder: DataType['byteOrder'] = 'host';
  const hints: UserdataRecord[] = [];
  for (const record of decodeUserdata(bytes)) {
    const { type, value } = record;
    if (type === KEY_BYTEORDER && value.length === 4) keyOrder = orderOf(u32(value));
    else if (type === DATA_BYTEORDER && value.length === 4) dataOrder = orderOf(u32(value));
    else if (type === COMMENT && comment === undefined && commentText(value) !== undefined)
      comment = commentText(value);
    else if (type === DATA_INTERVAL && value.every((byte) => byte === 0)) continue;
    else if ((type === KEY_TYPEOF || type === DATA_TYPEOF) && sameBytes(value, CONCATENATION)) continue;
    else hints.push(record);
  }
  return { keyOrder, dataOrder, ...(comment === undefined ? {} : { comment }), hints };
}

function orderOf(order: number): DataType['byteOrder'] {
  return order === BYTEORDERS.network ? 'network' : 'host';
}

function byteOrder(types: readonly DataType[] | 'verdict'): number {
  const [only, ...more] = types === 'verdict' ? [] : types;
  return only === undefined || more.length > 0 ? BYTEORDERS.none : BYTEORDERS[only.byteOrder];
}

/** A record with a number in host order, unlike everything else in nf_tables. */
function number(type: number, value: number): UserdataRecord {
  return { type, value: Uint8Array.of(value, 0, 0, 0) };
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
