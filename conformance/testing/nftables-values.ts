/** Arbitrary objects of nf_tables in the form that listing gives them, for property tests and fuzzing. */

import fc from 'fast-check';
import type { RawElement } from '../../shared/nftables/codec/element.ts';
import type { BaseHook, Chain } from '../../shared/nftables/model/chain.ts';
import { DATA_TYPES } from '../../shared/nftables/model/data-type.ts';
import type { Expression, NatFlag } from '../../shared/nftables/model/expression.ts';
import { FAMILY_NUMBERS, type Family } from '../../shared/nftables/model/family.ts';
import type { Rule } from '../../shared/nftables/model/rule.ts';
import type { NftMap, NftSet } from '../../shared/nftables/model/set.ts';
import type { Table } from '../../shared/nftables/model/table.ts';
import type { Verdict } from '../../shared/nftables/model/verdict.ts';

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
export const expressions: fc.Arbitrary<Expression[]> = fc.array(
  fc.oneof({ weight: 9, arbitrary: simple }, dynset),
  { maxLength: 8 },
);

/** Attributes of types that nobody models, and not padding. */
const unknown = fc.array(
  fc.record({
    type: fc.integer({ min: 30, max: 200 }),
    nested: fc.boolean(),
    payload: fc.uint8Array({ maxLength: 20 }),
  }),
  { minLength: 1, maxLength: 3 },
);

export const table: fc.Arbitrary<Table> = record(
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
export const chain: fc.Arbitrary<Chain> = record(
  { kind: kind('chain'), family: family.filter((f) => f !== 'netdev'), table: name, name },
  { base, comment, unknown },
);
export const rule: fc.Arbitrary<Rule> = record(
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
export const set: fc.Arbitrary<NftSet | NftMap> = fc
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
export const rawElement: fc.Arbitrary<RawElement> = record(
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
