import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatQuantity, parseQuantity } from './quantity.ts';

describe('quantities', () => {
  test.each([
    ['0', 0n],
    ['1Gi', 1073741824n],
    ['1.5Gi', 1610612736n],
    ['10G', 10_000_000_000n],
    ['1e9', 1_000_000_000n],
    ['1E', 1_000_000_000_000_000_000n],
    ['1E3', 1000n],
    ['1500m', 2n],
    ['.5Ki', 512n],
    ['5.', 5n],
    ['100Ei', 9223372036854775807n],
    ['-1Ki', -1024n],
  ])('%s', (text, expected) => {
    expect(parseQuantity(text)).toBe(expected);
  });

  test.each(['', 'Gi', '.', '1gi', '1 Gi', '1KiB', '0x10', '1e999999999', '1'.repeat(1000)])(
    'none: %s',
    (text) => {
      expect(parseQuantity(text)).toBeUndefined();
    },
  );

  test.each([
    [0n, '0'],
    [1073741824n, '1Gi'],
    [1500n, '1500'],
    [1536n * 1024n, '1536Ki'],
  ])('written: %s', (units, expected) => {
    expect(formatQuantity(units)).toBe(expected);
  });

  test('what is written reads back', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }), (units) => {
        expect(parseQuantity(formatQuantity(units))).toBe(units);
      }),
    );
  });

  test('anything is read without an error', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        parseQuantity(text);
      }),
    );
  });
});
