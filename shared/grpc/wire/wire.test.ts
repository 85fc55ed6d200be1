import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import protobuf from 'protobufjs';
import { describe, expect, test } from 'vitest';
import * as etcd from '#messages/etcd';
import { decode } from './decode.ts';
import { encode } from './encode.ts';
import { type AnyMessageType, type Field, type MessageType, messageType, WireError } from './schema.ts';

/** Every kind and label, for which the oracle is protobufjs. */
interface Kinds {
  readonly flag: boolean;
  readonly text: string;
  readonly raw: Uint8Array;
  readonly small: number;
  readonly count: number;
  readonly big: bigint;
  readonly size: bigint;
  readonly single: number;
  readonly real: number;
  readonly maybe?: string;
  readonly numbers: readonly number[];
  readonly bigs: readonly bigint[];
  readonly texts: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly inner?: Kinds;
  readonly inners: readonly Kinds[];
  readonly byName: Readonly<Record<string, Kinds>>;
}
const Kinds: MessageType<Kinds> = messageType('test.Kinds', [
  [1, 'flag', 'one', 'bool'],
  [2, 'text', 'one', 'string'],
  [3, 'raw', 'one', 'bytes'],
  [4, 'small', 'one', 'int32'],
  [5, 'count', 'one', 'uint32'],
  [6, 'big', 'one', 'int64'],
  [7, 'size', 'one', 'uint64'],
  [8, 'single', 'one', 'float'],
  [9, 'real', 'one', 'double'],
  [16, 'maybe', 'maybe', 'string'],
  [17, 'numbers', 'many', 'int32'],
  [18, 'bigs', 'many', 'int64'],
  [19, 'texts', 'many', 'string'],
  [20, 'labels', 'map', 'string'],
  [1000, 'inner', 'maybe', () => Kinds],
  [1001, 'inners', 'many', () => Kinds],
  [1002, 'byName', 'map', () => Kinds],
]);
const KINDS_PROTO = `
syntax = "proto3"; package test;
message Kinds {
  bool flag = 1; string text = 2; bytes raw = 3; int32 small = 4; uint32 count = 5; int64 big = 6; uint64 size = 7;
  float single = 8; double real = 9; optional string maybe = 16; repeated int32 numbers = 17; repeated int64 bigs = 18;
  repeated string texts = 19; map<string, string> labels = 20; Kinds inner = 1000; repeated Kinds inners = 1001;
  map<string, Kinds> byName = 1002;
}`;

const etcdRoot = protobuf.parse(readFileSync('shared/grpc/proto/etcd.proto', 'utf8'), {
  keepCase: false,
}).root;
const kindsRoot = protobuf.parse(KINDS_PROTO, { keepCase: false }).root;
const etcdTypes = Object.values(etcd).filter(
  (value): value is AnyMessageType => typeof value === 'object' && 'fields' in value,
);

/** Any value of a type; those of oneofs come one at a time, since the oracle takes no two. */
function anyOf(type: AnyMessageType, depth = 2): fc.Arbitrary<Record<string, unknown>> {
  const model: Record<string, fc.Arbitrary<unknown>> = {};
  for (const field of type.fields) {
    if (field.kind === 'message' && depth === 0) continue;
    const one = anyValue(field, depth);
    const most = field.kind === 'message' ? 2 : 20;
    model[field.name] = {
      one: () => one,
      maybe: () => fc.option(one, { nil: undefined }),
      many: () => fc.array(one, { maxLength: most }),
      map: () => fc.dictionary(fc.string(), one, { maxKeys: Math.min(most, 4) }),
    }[field.label]();
  }
  return fc.record(model).map((values) => {
    for (const key of Object.keys(values)) if (values[key] === undefined) delete values[key];
    return oneOfEach(type, values);
  });
}

function oneOfEach(type: AnyMessageType, values: Record<string, unknown>): Record<string, unknown> {
  const known = [etcdRoot, kindsRoot].map((root) => root.lookup(type.name)).find((found) => found !== null);
  for (const oneof of (known as protobuf.Type).oneofsArray) {
    const given = oneof.oneof.filter((name) => values[name] !== undefined);
    for (const name of given.slice(1)) delete values[name];
  }
  return values;
}

function anyValue({ kind, type }: Field, depth: number): fc.Arbitrary<unknown> {
  switch (kind) {
    case 'bool':
      return fc.boolean();
    case 'string':
      return fc.string({ unit: 'binary', maxLength: 200 });
    case 'bytes':
      return fc.uint8Array({ maxLength: 300 });
    case 'uint32':
      return fc.integer({ min: 0, max: 2 ** 32 - 1 });
    case 'int32':
    case 'enum':
      return fc.integer();
    case 'int64':
      return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
    case 'uint64':
      return fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
    case 'float':
      return fc.float({ noNaN: true });
    case 'double':
      return fc.double({ noNaN: true });
    case 'message':
      return type ? anyOf(type(), depth - 1) : fc.constant(undefined);
    default:
      return kind satisfies never;
  }
}

/** 64-bit numbers as protobufjs takes and gives them: in text. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return String(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Uint8Array) return [...value];
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}

function oracle(root: protobuf.Root, name: string): protobuf.Type {
  return root.lookupType(name);
}

test('the numbers of the documentation', () => {
  // protobuf.dev, "Encoding": a message with field 1 = 150, and one that holds it in field 3.
  const Inner: MessageType<{ a: number }> = messageType('Inner', [[1, 'a', 'one', 'int32']]);
  const Outer: MessageType<{ c?: { a: number } }> = messageType('Outer', [[3, 'c', 'maybe', () => Inner]]);
  expect(Buffer.from(encode(Inner, { a: 150 })).toString('hex')).toBe('089601');
  expect(Buffer.from(encode(Outer, { c: { a: 150 } })).toString('hex')).toBe('1a03089601');
  expect(decode(Outer, Buffer.from('1a03089601', 'hex'))).toEqual({ c: { a: 150 } });
});

describe.each([
  ['every kind', kindsRoot, [Kinds as AnyMessageType]],
  ["etcd's messages", etcdRoot, etcdTypes],
] as const)('%s', (_, root, types) => {
  test.each(types.map((type) => [type.name, type] as const))(
    '%s: there and back, and as protobufjs has it',
    (name, type) => {
      const other = oracle(root, name);
      fc.assert(
        fc.property(anyOf(type), (message) => {
          const bytes = encode(type, message);
          expect(withDefaults(type, decode(type, bytes))).toEqual(withDefaults(type, message));
          const theirs = other.encode(other.fromObject(plain(message) as Record<string, unknown>)).finish();
          expect(plain(decode(type, theirs))).toEqual(plain(decode(type, bytes)));
          const read = other.toObject(other.decode(bytes), {
            longs: String,
            defaults: true,
            arrays: true,
            objects: true,
          });
          const readBack = other.encode(other.fromObject(read)).finish();
          expect(plain(decode(type, readBack))).toEqual(plain(decode(type, bytes)));
        }),
        { numRuns: types.length > 1 ? 20 : 40 },
      );
    },
  );
});

/** What is absent in an initialiser but has a default comes back as that; -0 of a float too. */
function withDefaults(type: AnyMessageType, value: unknown): unknown {
  return decode(type, encode(type, value as object));
}

test('fields that nobody knows are passed over, of every wire type', () => {
  const Old: MessageType<{ text: string }> = messageType('Old', [[2, 'text', 'one', 'string']]);
  fc.assert(
    fc.property(anyOf(Kinds), (message) => {
      expect(decode(Old, encode(Kinds, message))).toEqual({ text: message['text'] });
    }),
  );
});

test('any bytes decode or are a WireError', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        decode(Kinds, bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(WireError);
      }
    }),
    { numRuns: 500 },
  );
});

test('text that is not UTF-8 costs nothing but itself', () => {
  const Text: MessageType<{ a: string; b: string }> = messageType('Text', [
    [1, 'a', 'one', 'string'],
    [2, 'b', 'one', 'string'],
  ]);
  expect(decode(Text, Buffer.from('0a02ff41120142', 'hex'))).toEqual({ a: '\ufffdA', b: 'B' });
});

test('a message that is cut short is a WireError that names the type', () => {
  const bytes = encode(Kinds, { text: 'some text that is rather long', inner: { count: 7 } });
  expect(() => decode(Kinds, bytes.subarray(0, 10))).toThrow(/test\.Kinds: it ends in the middle/);
});

test('a key that JavaScript has a use for is a key', () => {
  const labels = JSON.parse('{"__proto__":"x","constructor":"y"}') as Record<string, string>;
  expect(Object.entries(decode(Kinds, encode(Kinds, { labels })).labels)).toEqual(Object.entries(labels));
});
