import fc, { type Arbitrary } from 'fast-check';
import type { TcAction } from '../codec/tc/action.ts';
import type { Filter, FilterKind } from '../codec/tc/filter.ts';
import type { Qdisc, QdiscKind } from '../codec/tc/qdisc.ts';
import type { RateSpec, TbfQdisc } from '../codec/tc/tbf.ts';
import type { U32Filter, U32Selector } from '../codec/tc/u32.ts';
import { some, u8, u16, u32, unknown } from './arbitrary.ts';

/* Numbers that are absent when they are zero are never zero here. */
const some8 = u8.map((n) => n || 1);
const some16 = u16.map((n) => n || 1);
const some32 = u32.map((n) => n || 1);

const rate: Arbitrary<RateSpec> = some<RateSpec>(
  { rate: some32, cellLog: some8, linkLayer: some8, overhead: some16, cellAlign: some16, mpu: some16 },
  ['rate'],
);

const tbf: Arbitrary<TbfQdisc> = some<TbfQdisc>(
  {
    kind: fc.constant('tbf'),
    rate,
    peakRate: rate,
    limit: u32,
    buffer: u32,
    mtu: some32,
    rate64: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
    unknown,
  },
  ['kind', 'rate', 'limit', 'buffer'],
);

const other = fc.record(
  {
    kind: fc.constant('other' as const),
    name: fc.constantFrom('noqueue', 'flower', 'htb'),
    data: fc.uint8Array({ maxLength: 20 }),
  },
  { requiredKeys: ['kind', 'name'] },
);

const qdiscKind = fc.oneof(
  tbf,
  other,
  fc.record({ kind: fc.constant('ingress' as const), unknown }, { requiredKeys: ['kind'] }),
) as Arbitrary<QdiscKind>;

export const qdiscs: Arbitrary<Qdisc> = some<Qdisc>(
  { index: u32, handle: u32, parent: u32, info: some32, options: qdiscKind, unknown },
  ['index', 'handle', 'parent', 'options'],
);

const action = some<Extract<TcAction, { kind: 'mirred' }>>(
  {
    kind: fc.constant('mirred'),
    target: u32,
    way: u32,
    verdict: u32,
    id: some32,
    capabilities: some32,
    references: some32,
    bindings: some32,
    unknown,
    actionUnknown: unknown,
  },
  ['kind', 'target', 'way', 'verdict'],
);

const selector: Arbitrary<U32Selector> = some<U32Selector>(
  {
    flags: u8,
    keys: fc.array(fc.record({ mask: u32, value: u32, offset: u32, offsetMask: u32 }), { maxLength: 3 }),
    offsets: fc
      .uint8Array({ minLength: 12, maxLength: 12 })
      .filter((bytes) => bytes.some((byte) => byte > 0)),
    offsetShift: some8,
  },
  ['flags', 'keys'],
);

const u32Filter = some<U32Filter>(
  {
    kind: fc.constant('u32'),
    classId: u32,
    actions: fc.array(action, { maxLength: 3 }),
    selector,
    unknown,
  },
  ['kind'],
);

export const filters: Arbitrary<Filter> = some<Filter>(
  {
    index: u32,
    handle: u32,
    parent: u32,
    priority: u16,
    protocol: u16,
    options: fc.oneof(u32Filter, other) as Arbitrary<FilterKind>,
    unknown,
  },
  ['index', 'handle', 'parent', 'priority', 'protocol', 'options'],
);
