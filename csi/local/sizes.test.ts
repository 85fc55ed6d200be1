import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RpcError } from '../../shared/grpc/error.ts';
import { GRAIN, isWithin, sizeFor } from './sizes.ts';

const GIB = 1024 ** 3;
const range = (requiredBytes: number | bigint, limitBytes: number | bigint = 0) => ({
  requiredBytes: BigInt(requiredBytes),
  limitBytes: BigInt(limitBytes),
});

describe('sizes', () => {
  test('what is asked for, in whole blocks', () => {
    expect(sizeFor(range(GIB), 0)).toBe(GIB);
    expect(sizeFor(range(GIB + 1), 0)).toBe(GIB + GRAIN);
    expect(sizeFor(range(1), 16 * 1024 ** 2)).toBe(16 * 1024 ** 2);
  });

  test('1 GiB where nobody asks, less where that is the limit', () => {
    expect(sizeFor(undefined, 0)).toBe(GIB);
    expect(sizeFor(range(0), 0)).toBe(GIB);
    expect(sizeFor(range(0, GIB / 2), 0)).toBe(GIB / 2);
    expect(sizeFor(range(0, 10 * GIB), 0)).toBe(GIB);
    expect(sizeFor(range(0, GRAIN + 1), 0)).toBe(GRAIN);
  });

  test('none that is possible', () => {
    for (const [each, minimum] of [
      [range(0, 1), 0],
      [range(5, 4095), 0],
      [range(GRAIN + 1, 2 * GRAIN - 1), 0],
      [range(1, GIB), 2 * GIB],
    ] as const)
      expect(() => sizeFor(each, minimum)).toThrow(RpcError);
  });

  test('property: the smallest in the range, or none is', () => {
    const bytes = fc.oneof(fc.integer({ min: 0, max: 40_000 }), fc.integer({ min: 0, max: 2 ** 50 }));
    fc.assert(
      fc.property(bytes, bytes, fc.integer({ min: 0, max: 30_000 }), (required, limit, minimum) => {
        fc.pre(limit === 0 || limit >= required);
        const possible = (size: number): boolean =>
          size > 0 &&
          size % GRAIN === 0 &&
          size >= required &&
          size >= minimum &&
          (limit === 0 || size <= limit);
        let size: number | undefined;
        try {
          size = sizeFor(range(required, limit), minimum);
        } catch (error) {
          expect((error as RpcError).code).toBe('OUT_OF_RANGE');
        }
        const smallest = Math.ceil(Math.max(required, minimum, 1) / GRAIN) * GRAIN;
        if (size === undefined) expect(possible(smallest)).toBe(false);
        else {
          expect(possible(size)).toBe(true);
          expect(isWithin(size, range(required, limit))).toBe(true);
          if (required > 0) expect(size).toBe(smallest);
        }
      }),
    );
  });

  test('a range without a limit, and none at all', () => {
    expect(isWithin(5, undefined)).toBe(true);
    expect(isWithin(5, range(5))).toBe(true);
    expect(isWithin(5, range(6))).toBe(false);
    expect(isWithin(5, range(0, 4))).toBe(false);
  });
});
