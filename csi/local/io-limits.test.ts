import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RpcError } from '../../shared/grpc/error.ts';
import { isIoLimits, mergeIoLimits, parseIoLimits } from './io-limits.ts';

describe("a VolumeAttributesClass's parameters", () => {
  test('four, whole numbers, 0 for none', () => {
    expect(parseIoLimits({})).toEqual({});
    expect(parseIoLimits({ readIOPS: '100', writeIOPS: '0', readBPS: '1048576', writeBPS: '007' })).toEqual({
      readIOPS: 100,
      writeIOPS: 0,
      readBPS: 1048576,
      writeBPS: 7,
    });
  });

  test.each([
    { iops: '1' },
    { READIOPS: '1' },
    { readIOPS: '' },
    { readIOPS: '-1' },
    { readIOPS: '1.5' },
    { readIOPS: '1e3' },
    { readIOPS: '0x10' },
    { readIOPS: ' 1' },
    { readIOPS: '1\n' },
    { readIOPS: '10Mi' },
    { readIOPS: '9'.repeat(16) },
    { readIOPS: '1', toString: '1' } as Record<string, string>,
    JSON.parse('{"__proto__": "1"}') as Record<string, string>,
  ])('not %j', (map) => {
    expect(() => parseIoLimits(map)).toThrow(RpcError);
  });

  test('a change says what it changes, and 0 takes a limit away', () => {
    expect(mergeIoLimits({ readIOPS: 5, readBPS: 9 }, { readIOPS: 0, writeBPS: 3 })).toEqual({
      readBPS: 9,
      writeBPS: 3,
    });
  });

  test('property: what was parsed and merged can be kept', () => {
    const key = fc.constantFrom('readIOPS', 'writeIOPS', 'readBPS', 'writeBPS');
    const map = fc.dictionary(key, fc.integer({ min: 0, max: 10 ** 15 - 1 }).map(String));
    fc.assert(
      fc.property(map, map, (a, b) => {
        const merged = mergeIoLimits(mergeIoLimits({}, parseIoLimits(a)), parseIoLimits(b));
        expect(isIoLimits(merged)).toBe(true);
        for (const [name, value] of Object.entries(merged)) expect(String(value)).toBe(b[name] ?? a[name]);
      }),
    );
    for (const value of [
      null,
      [],
      'x',
      1,
      { readIOPS: 0 },
      { readIOPS: '1' },
      { other: 1 },
      { readIOPS: 1.5 },
    ])
      expect(isIoLimits(value)).toBe(false);
  });
});
