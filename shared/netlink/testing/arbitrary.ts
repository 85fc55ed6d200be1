import fc, { type Arbitrary } from 'fast-check';
import type { Cidr } from '../../ip/cidr.ts';
import type { Ip } from '../../ip/ip.ts';
import type { Attribute } from '../codec/attributes.ts';

/* What arbitrary objects for property tests are made of. */

export const u8: Arbitrary<number> = fc.nat(0xff);
export const u16: Arbitrary<number> = fc.nat(0xffff);
export const u32: Arbitrary<number> = fc.nat(0xffff_ffff);
export const bool: Arbitrary<boolean> = fc.boolean();
/** A flag attribute is there or not; `false` does not come back. */
export const flag: Arbitrary<true> = fc.constant(true as const);
export const name: Arbitrary<string> = fc.stringMatching(/^[a-z][a-z0-9.@_-]{0,14}$/);
export const mac: Arbitrary<Uint8Array> = fc.uint8Array({ minLength: 6, maxLength: 6 });
/** Types that no codec models, so that every decoder has to keep them. */
export const unknown: Arbitrary<Attribute[]> = fc.array(
  fc
    .record({
      type: fc.integer({ min: 2000, max: 0x3fff }),
      nested: bool,
      networkOrder: bool,
      payload: fc.uint8Array({ maxLength: 20 }),
    })
    .map(({ networkOrder, ...rest }) => (networkOrder ? { ...rest, networkOrder } : rest)),
  { minLength: 1, maxLength: 3 },
);

export const ipOf = (family: 4 | 6): Arbitrary<Ip> =>
  fc.bigInt({ min: 0n, max: (1n << (family === 4 ? 32n : 128n)) - 1n }).map((value) => ({ family, value }));
export const anyFamily: Arbitrary<4 | 6> = fc.constantFrom(4 as const, 6 as const);
export const anyIp: Arbitrary<Ip> = anyFamily.chain(ipOf);
export const cidrOf = (family: 4 | 6, least = 0): Arbitrary<Cidr> =>
  fc.record({ ip: ipOf(family), prefix: fc.integer({ min: least, max: family === 4 ? 32 : 128 }) });

/** All properties may be there or not, save those named. */
export function some<T extends object>(
  model: { [K in keyof T]-?: Arbitrary<Exclude<T[K], undefined>> },
  required: (keyof T)[],
): Arbitrary<T> {
  return fc.record(model, { requiredKeys: required as never[] }) as unknown as Arbitrary<T>;
}
