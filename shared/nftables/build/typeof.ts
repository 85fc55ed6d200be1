import type { UserdataRecord } from '../model/userdata.ts';
import type { Field } from './field.ts';

/** NFTNL_UDATA_SET_KEY_TYPEOF and _DATA_TYPEOF of libnftnl's udata.h. */
const KEY_TYPEOF = 3;
const DATA_TYPEOF = 4;

/** EXPR_CONCAT of nftables' src/expression.h. */
const EXPR_CONCAT = 13;

/**
 * What nft notes in a map declared by `typeof key : data`. Needed where a part has no type of its own, as `numgen`;
 * without it `nft list` cannot print such a map. Goes into the map's `hints`.
 */
export function typeofHints(key: readonly Field[], data: readonly Field[]): UserdataRecord[] {
  return [
    { type: KEY_TYPEOF, value: concatenation(key) },
    { type: DATA_TYPEOF, value: concatenation(data) },
  ];
}

function concatenation(fields: readonly Field[]): Uint8Array {
  const parts = fields.map(({ note }, index) =>
    record(index, expression(note.expression, join(note.numbers.map((value, i) => number(i, value))))),
  );
  return expression(EXPR_CONCAT, join(parts));
}

/** Record 0: which kind of expression; record 1: what kind describes itself by. */
function expression(kind: number, description: Uint8Array): Uint8Array {
  return join([number(0, kind), record(1, description)]);
}

/** Numbers are in host order here. */
function number(type: number, value: number): Uint8Array {
  return record(type, Uint8Array.of(value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24));
}

function record(type: number, value: Uint8Array): Uint8Array {
  return join([Uint8Array.of(type, value.length), value]);
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}
