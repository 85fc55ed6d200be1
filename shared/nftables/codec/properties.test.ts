import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DecodeError } from '../../netlink/codec/decode-error.ts';
import { ByteWriter } from '../../netlink/codec/wire.ts';
import type { BaseHook, Chain } from '../model/chain.ts';
import { DATA_TYPES } from '../model/data-type.ts';
import type { Element } from '../model/element.ts';
import type { Expression, NatFlag } from '../model/expression.ts';
import { FAMILY_NUMBERS, type Family } from '../model/family.ts';
import type { Rule } from '../model/rule.ts';
import type { NftMap, NftSet } from '../model/set.ts';
import type { Table } from '../model/table.ts';
import type { Verdict } from '../model/verdict.ts';
import { readChain, writeChain } from './chain.ts';
import type { RawElement } from './element.ts';
import { readElement, writeElement } from './element.ts';
import { readElements, writeElements } from './elements.ts';
import { readExpressions, writeExpressions } from './expression.ts';
import { readGeneration } from './generation.ts';
import { compareKeys, fromRaw, toRaw } from './interval.ts';
import { readRule, writeRule } from './rule.ts';
import { readRuleLabel } from './rule-label.ts';
import { readSet, writeSet } from './set.ts';
import { readTable, writeTable } from './table.ts';

const name = fc.stringMatching(/^[a-z][a-z0-9_-]{0,30}$/);
const comment = fc
  .string({ unit: 'grapheme', maxLength: 20 })
  .filter((text) => !text.includes('\0') && text !== '');
const bytes = (max: number) => fc.uint8Array({ minLength: 1, maxLength: max });
const register = fc.integer({ min: 0, max: 15 });
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const u64 = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
const optional = <T extends object>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }) =>
  fc.record(model, { requiredKeys: [] });
const record = <R extends object, O extends object>(
  required: { [K in keyof R]: fc.Arbitrary<R[K]> },
  more: { [K in keyof O]: fc.Arbitrary<O[K]> },
): fc.Arbitrary<R & Partial<O>> =>
  fc.record({ ...required, ...more } as never, { requiredKeys: Object.keys(required) as never }) as never;
/** In the order in which bits are read. */
const some = <T>(...all: T[]): fc.Arbitrary<T[]> => fc.subarray(all);
const family = fc.constantFrom(...(Object.keys(FAMILY_NUMBERS) as Family[]));

const verdict: fc.Arbitrary<Verdict> = fc.oneof(
  fc.record({
    code: fc.constantFrom('accept' as const, 'drop' as const, 'return' as const, 'continue' as const),
  }),
  fc.record({ code: fc.constantFrom('jump' as const, 'goto' as const), chain: name }),
);
const natFlags: fc.Arbitrary<NatFlag[]> = some(
  'random',
  'persistent',
  'fully-random',
  'proto-offset',
  'netmap',
);
const kind = <K extends string>(value: K) => fc.constant(value);
const mask = fc
  .integer({ min: 1, max: 16 })
  .chain((length) => fc.tuple(...[0, 1].map(() => fc.uint8Array({ minLength: length, maxLength: length }))));

/** An upper end that is the lower one is read as absent. */
const ends = <K extends 'portMin' | 'addressMin'>(low: K, high: string) =>
  fc
    .tuple(fc.option(register, { nil: undefined }), fc.option(register, { nil: undefined }))
    .map(([a, b]) =>
      a === undefined ? {} : b === undefined || b === a ? { [low]: a } : { [low]: a, [high]: b },
    );

const simple: fc.Arbitrary<Expression> = fc.oneof(
  fc.record({
    kind: kind('payload'),
    base: fc.constantFrom('link' as const, 'network' as const, 'transport' as const, 'inner' as const),
    offset: u32,
    length: u32,
    dest: register,
  }),
  fc.record({
    kind: kind('meta'),
    key: fc.constantFrom('mark' as const, 'iifname' as const, 'l4proto' as const),
    dest: register,
  }),
  fc.record({
    kind: kind('meta-set'),
    key: fc.constantFrom('mark' as const, 'nftrace' as const),
    source: register,
  }),
  record(
    {
      kind: kind('ct'),
      key: fc.constantFrom('state' as const, 'mark' as const, 'dst-ip6' as const),
      dest: register,
    },
    { direction: fc.constantFrom('original' as const, 'reply' as const) },
  ),
  fc.record({
    kind: kind('ct-set'),
    key: fc.constantFrom('mark' as const, 'zone' as const),
    source: register,
  }),
  fc.record({
    kind: kind('fib'),
    result: fc.constantFrom('oif' as const, 'oifname' as const, 'type' as const),
    inputs: some(
      'saddr' as const,
      'daddr' as const,
      'mark' as const,
      'iif' as const,
      'oif' as const,
      'present' as const,
    ),
    dest: register,
  }),
  fc.record({
    kind: kind('numgen'),
    mode: fc.constantFrom('inc' as const, 'random' as const),
    modulus: u32,
    offset: u32,
    dest: register,
  }),
  fc.record({
    kind: kind('cmp'),
    source: register,
    op: fc.constantFrom(
      '==' as const,
      '!=' as const,
      '<' as const,
      '<=' as const,
      '>' as const,
      '>=' as const,
    ),
    value: bytes(64),
  }),
  fc.record({
    kind: kind('range'),
    source: register,
    op: fc.constantFrom('==' as const, '!=' as const),
    from: bytes(64),
    to: bytes(64),
  }),
  fc
    .tuple(register, register, mask)
    .map(([source, dest, [m, x]]) => ({ kind: 'bitwise', source, dest, mask: m!, xor: x! }) as const),
  fc.record({
    kind: kind('byteorder'),
    source: register,
    dest: register,
    op: fc.constantFrom('ntoh' as const, 'hton' as const),
    length: u32,
    size: u32,
  }),
  record(
    { kind: kind('lookup'), set: name, source: register },
    { setId: u32, dest: fc.oneof(register, fc.constant('verdict' as const)), inverted: fc.constant(true) },
  ),
  fc.record({ kind: kind('immediate'), dest: register, value: bytes(64) }),
  fc.record({ kind: kind('verdict'), verdict }),
  fc.record({ kind: kind('counter'), packets: u64, bytes: u64 }),
  fc
    .tuple(natFlags, ends('portMin', 'portMax'))
    .map(([flags, ports]) => ({ kind: 'masquerade', flags, ...ports }) as const),
  fc
    .tuple(
      fc.constantFrom('snat' as const, 'dnat' as const),
      fc.constantFrom('ip' as const, 'ip6' as const),
      ends('addressMin', 'addressMax'),
      ends('portMin', 'portMax'),
      natFlags,
    )
    .map(
      ([type, version, addresses, ports, flags]) =>
        ({ kind: 'nat', type, family: version, ...addresses, ...ports, flags }) as const,
    ),
  fc.record({
    kind: kind('reject'),
    with: fc.constantFrom('icmp' as const, 'tcp-reset' as const, 'icmpx' as const),
    code: fc.integer({ min: 0, max: 255 }),
  }),
  fc.record({ kind: kind('notrack') }),
  record(
    { kind: kind('opaque'), name: name.map((text) => `x${text}`) },
    { data: fc.uint8Array({ maxLength: 40 }) },
  ),
);
const dynset: fc.Arbitrary<Expression> = record(
  {
    kind: kind('dynset'),
    set: name,
    op: fc.constantFrom('add' as const, 'update' as const, 'delete' as const),
    sourceKey: register,
  },
  {
    setId: u32,
    sourceData: register,
    timeout: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    inverted: fc.constant(true),
    expressions: fc.array(simple, { minLength: 1, maxLength: 3 }),
  },
);
const expressions = fc.array(fc.oneof({ weight: 9, arbitrary: simple }, dynset), { maxLength: 8 });

/** Attributes of types that nobody models, and not padding. */
const unknown = fc.array(
  fc.record({
    type: fc.integer({ min: 30, max: 200 }),
    nested: fc.boolean(),
    payload: fc.uint8Array({ maxLength: 20 }),
  }),
  { minLength: 1, maxLength: 3 },
);

const table: fc.Arbitrary<Table> = record(
  { kind: kind('table'), family, name },
  { comment, dormant: fc.constant(true), unknown },
);
const base: fc.Arbitrary<BaseHook> = record(
  {
    type: fc.constantFrom('filter' as const, 'nat' as const, 'route' as const),
    hook: fc.constantFrom('input' as const, 'output' as const, 'forward' as const),
    priority: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
    policy: fc.constantFrom('accept' as const, 'drop' as const),
  },
  { unknown },
);
const chain: fc.Arbitrary<Chain> = record(
  { kind: kind('chain'), family: family.filter((f) => f !== 'netdev'), table: name, name },
  { base, comment, unknown },
);
const rule: fc.Arbitrary<Rule> = record(
  { kind: kind('rule'), family, table: name, chain: name, expressions },
  { comment, unknown },
);
const types = fc.array(fc.constantFrom(...DATA_TYPES), { minLength: 1, maxLength: 5 });
const hints = fc.array(
  fc.record({ type: fc.integer({ min: 20, max: 255 }), value: fc.uint8Array({ maxLength: 9 }) }),
  {
    minLength: 1,
    maxLength: 2,
  },
);
const set: fc.Arbitrary<NftSet | NftMap> = fc
  .tuple(
    record(
      { family, table: name, name, key: types },
      {
        interval: fc.constant(true),
        constant: fc.constant(true),
        anonymous: fc.constant(true),
        dynamic: fc.constant(true),
        timeout: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
        gcInterval: fc.integer({ min: 1, max: 0xffff_ffff }),
        size: u32,
        policy: kind('memory'),
        comment,
        unknown,
      },
    ),
    optional({ hints }),
    fc.option(fc.oneof(types, fc.constant('verdict' as const)), { nil: undefined }),
  )
  .map(([common, more, data]) => ({
    ...common,
    ...(more.hints === undefined ? {} : { hints: [...more.hints].sort((a, b) => a.type - b.type) }),
    ...(data === undefined ? { kind: 'set' as const } : { kind: 'map' as const, data }),
  }));
const rawElement: fc.Arbitrary<RawElement> = record(
  { key: bytes(64) },
  {
    keyEnd: bytes(64),
    data: fc.oneof(bytes(64), verdict),
    timeout: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
    comment,
    isEnd: fc.constant(true),
    unknown,
  },
);

/** The payload that `fill` writes, behind the header of a message. */
function written(fill: (writer: ByteWriter) => void, number: number = FAMILY_NUMBERS.inet): Uint8Array {
  const writer = new ByteWriter();
  writer.bytes(Uint8Array.of(number, 0, 0, 0));
  fill(writer);
  return writer.toBytes();
}

describe('what is written is read again', () => {
  test('tables', () => {
    fc.assert(
      fc.property(table, (it) => {
        expect(readTable(written((w) => writeTable(w, it), FAMILY_NUMBERS[it.family]))).toEqual(it);
      }),
    );
  });

  test('chains', () => {
    fc.assert(
      fc.property(chain, (it) => {
        expect(readChain(written((w) => writeChain(w, it), FAMILY_NUMBERS[it.family]))).toEqual(it);
      }),
    );
  });

  test('rules, by all of them or by the label alone', () => {
    fc.assert(
      fc.property(rule, (it) => {
        const fill = (w: ByteWriter): void => {
          writeRule(w, it, false);
          w.attrU64be(3, 77n);
        };
        const payload = written(fill, FAMILY_NUMBERS[it.family]);
        const { family: version, table: where, chain: which, comment: why } = it;
        const label = { family: version, table: where, chain: which, handle: 77n };
        expect(readRule(payload)).toEqual({ ...it, handle: 77n });
        expect(readRuleLabel(payload)).toEqual(why === undefined ? label : { ...label, comment: why });
      }),
      { numRuns: 500 },
    );
  });

  test('sets and maps', () => {
    fc.assert(
      fc.property(set, (it) => {
        expect(readSet(written((w) => writeSet(w, it, 7), FAMILY_NUMBERS[it.family]))).toEqual({
          ...it,
          id: 7,
        });
      }),
      { numRuns: 500 },
    );
  });

  test('elements', () => {
    fc.assert(
      fc.property(rawElement, (it) => {
        const writer = new ByteWriter();
        writeElement(writer, 1, it);
        expect(readElement(writer.toBytes().subarray(4))).toEqual(it);
      }),
      { numRuns: 500 },
    );
  });

  test('lists of elements of any length, in as many messages as they need', () => {
    const target: NftSet = { kind: 'set', family: 'ip', table: 't', name: 's', key: [] };
    fc.assert(
      fc.property(fc.array(rawElement, { maxLength: 20 }), fc.integer({ min: 1, max: 200 }), (few, times) => {
        const many = Array.from({ length: times }, () => few).flat();
        const starts: number[] = [];
        const writer = new ByteWriter();
        writeElements(writer, target, many, 12, 0, () => starts.push(writer.length));
        const read: RawElement[] = [];
        starts.forEach((from, i) => {
          readElements(writer.view().subarray(from + 16, starts[i + 1] ?? writer.length), read);
        });
        expect(read).toEqual(many);
      }),
      { numRuns: 30 },
    );
  });
});

describe('ranges', () => {
  const key = fc.uint8Array({ minLength: 2, maxLength: 2 });
  /** Ranges that do not meet, in their order. */
  const ranges: fc.Arbitrary<Element[]> = fc
    .uniqueArray(key, { selector: (k) => k.toHex(), maxLength: 12 })
    .map((keys) => {
      const sorted = keys.sort(compareKeys);
      const found: Element[] = [];
      for (let i = 0; i + 1 < sorted.length; i += 2) found.push({ key: sorted[i]!, keyEnd: sorted[i + 1]! });
      if (sorted.length % 2 === 1) found.push({ key: sorted.at(-1)! });
      return found;
    });

  test('of a plain key become two elements and one again', () => {
    const nets: NftSet = {
      kind: 'set',
      family: 'ip',
      table: 't',
      name: 's',
      key: [DATA_TYPES[0]!],
      interval: true,
    };
    fc.assert(
      fc.property(ranges, (it) => {
        expect(fromRaw(nets, toRaw(nets, it))).toEqual(it);
      }),
    );
  });

  test('of a concatenation keep both ends', () => {
    const pairs: NftSet = {
      kind: 'set',
      family: 'ip',
      table: 't',
      name: 's',
      key: DATA_TYPES.slice(0, 2),
      interval: true,
    };
    fc.assert(
      fc.property(ranges, (it) => {
        expect(fromRaw(pairs, toRaw(pairs, it))).toEqual(it);
      }),
    );
  });
});

describe('bytes of any kind are read or refused with DecodeError', () => {
  const readers: [string, (bytes: Uint8Array) => unknown][] = [
    ['table', readTable],
    ['chain', readChain],
    ['rule', readRule],
    ['rule label', readRuleLabel],
    ['set', readSet],
    ['elements', (payload) => readElements(payload, [])],
    ['element', readElement],
    ['expressions', readExpressions],
    ['generation', readGeneration],
  ];
  const valid = fc.oneof(
    table.map((it) => written((w) => writeTable(w, it))),
    chain.map((it) => written((w) => writeChain(w, { ...it, family: 'inet' }))),
    rule.map((it) => written((w) => writeRule(w, it, false))),
    set.map((it) => written((w) => writeSet(w, it, 1))),
    fc.array(rawElement, { maxLength: 5 }).map((list) => {
      const writer = new ByteWriter();
      writeElements(
        writer,
        { kind: 'set', family: 'ip', table: 't', name: 's', key: [] },
        list,
        12,
        0,
        () => 0,
      );
      return writer.toBytes().slice(16);
    }),
  );
  const damaged = fc
    .tuple(valid, fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 4 }), fc.nat(8))
    .map(([payload, changes, cut]) => {
      const copy = payload.slice(0, Math.max(0, payload.length - cut));
      for (const [at, value] of changes) if (copy.length > 0) copy[at % copy.length] = value;
      return copy;
    });

  test.each(readers)('%s', (_, read) => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), damaged), (garbage) => {
        try {
          read(garbage);
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('expressions that were damaged are written back as they were read', () => {
    fc.assert(
      fc.property(
        expressions,
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 3 }),
        (list, changes) => {
          const writer = new ByteWriter();
          writeExpressions(writer, 4, list);
          const payload = writer.toBytes().slice(4);
          for (const [at, value] of changes) if (payload.length > 0) payload[at % payload.length] = value;
          let first: Expression[];
          try {
            first = readExpressions(payload);
          } catch (error) {
            expect(error).toBeInstanceOf(DecodeError);
            return;
          }
          const again = new ByteWriter();
          writeExpressions(again, 4, first);
          expect(readExpressions(again.toBytes().slice(4))).toEqual(first);
        },
      ),
      { numRuns: 500 },
    );
  });
});
