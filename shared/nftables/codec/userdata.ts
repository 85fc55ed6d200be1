import { DecodeError } from '../../netlink/codec/decode-error.ts';
import type { UserdataRecord } from '../model/userdata.ts';

/** The comment's record type in tables, chains, rules and elements: NFTNL_UDATA_*_COMMENT of libnftnl's udata.h. */
export const UDATA_COMMENT = 0;

/** What nft takes: NFTNL_UDATA_COMMENT_MAXLEN of nftables' source. Bytes of UTF-8, the closing NUL not counted. */
export const COMMENT_MAX = 128;

export function encodeUserdata(records: readonly UserdataRecord[]): Uint8Array {
  let size = 0;
  for (const record of records) size += 2 + record.value.length;
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const { type, value } of records) {
    if (value.length > 255) throw new RangeError(`${value.length} bytes do not fit a userdata record`);
    bytes[at++] = type;
    bytes[at++] = value.length;
    bytes.set(value, at);
    at += value.length;
  }
  return bytes;
}

/** @throws DecodeError when a record claims more than there is */
export function decodeUserdata(bytes: Uint8Array): UserdataRecord[] {
  const records: UserdataRecord[] = [];
  let at = 0;
  while (at < bytes.length) {
    const length = bytes[at + 1];
    if (length === undefined || at + 2 + length > bytes.length) throw new DecodeError('userdata cut short');
    records.push({ type: bytes[at] as number, value: bytes.slice(at + 2, at + 2 + length) });
    at += 2 + length;
  }
  return records;
}

/** The comment's value: UTF-8 and a closing NUL. @throws RangeError when nft would refuse it */
export function commentRecord(comment: string, type: number = UDATA_COMMENT): UserdataRecord {
  const value = new TextEncoder().encode(`${comment}\0`);
  if (value.length > COMMENT_MAX + 1) {
    throw new RangeError(`a comment holds ${COMMENT_MAX} bytes, this one has ${value.length - 1}`);
  }
  return { type, value };
}

/** Strict, so that what it decodes encodes to the same bytes. */
const decoder = (): TextDecoder => new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The text of a comment record; undefined when it is none that `commentRecord` would write. */
export function commentText(value: Uint8Array): string | undefined {
  const last = value.length - 1;
  if (value[last] !== 0) return undefined;
  try {
    return decoder().decode(value.subarray(0, last));
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

/**
 * What there is to know of an object whose userdata holds a comment at most. `whole` is false when it holds something
 * else besides, or is not made of records at all, as other programs' may be: the attribute must then be kept.
 */
export function readComment(bytes: Uint8Array): { comment?: string; whole: boolean } {
  // Nearly all there are: one record, the comment.
  if (bytes[0] === UDATA_COMMENT && bytes[1] === bytes.length - 2) {
    const comment = commentText(bytes.subarray(2));
    return comment === undefined ? { whole: false } : { comment, whole: true };
  }
  let records: UserdataRecord[];
  try {
    records = decodeUserdata(bytes);
  } catch (error) {
    if (error instanceof DecodeError) return { whole: false };
    throw error;
  }
  const record = records.find(({ type }) => type === UDATA_COMMENT);
  const comment = record === undefined ? undefined : commentText(record.value);
  return comment === undefined ? { whole: false } : { comment, whole: false };
}
