import { describe, expect, test } from 'vitest';
import { decodeGuarded } from './guarded-bytes.ts';

const bytes = Uint8Array.of(1, 2, 3, 0xc3, 0xa4);

describe('guarded bytes', () => {
  test('are read as any others', () => {
    const read = (all: Uint8Array): unknown[] => [
      all[0],
      all.length,
      [...all],
      new TextDecoder().decode(all.subarray(3)),
      all.slice(1, 3).toHex(),
      all.indexOf(3),
      new Uint8Array(all),
    ];
    expect(decodeGuarded(read, bytes)).toEqual(read(bytes));
  });

  test.each<[string, (all: Uint8Array) => unknown]>([
    ['past the end', (all) => (all[5] as number) << 8],
    ['before the start', (all) => all[-1]],
    ['past the end of a copy', (all) => all.slice(1, 3)[2]],
    ['past the end of a view', (all) => all.subarray(4)[1]],
    ['past the end of a view’s copy', (all) => all.subarray(2).slice(0, 1)[1]],
  ])('notice a reader %s', (_, read) => {
    expect(() => decodeGuarded(read, bytes)).toThrow(RangeError);
  });

  test('leave the platform as it was', () => {
    const native = globalThis.TextDecoder;
    expect(() =>
      decodeGuarded(() => {
        throw new Error('x');
      }, bytes),
    ).toThrow('x');
    expect(globalThis.TextDecoder).toBe(native);
  });
});
