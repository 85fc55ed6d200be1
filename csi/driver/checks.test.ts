import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RpcError } from '../../shared/grpc/error.ts';
import {
  checkCapacityRange,
  checkMap,
  checkMaxEntries,
  checkName,
  checkOptionalText,
  checkPath,
  checkText,
} from './checks.ts';

/** The code that a check answers with; undefined: it takes the value. */
function codeOf(check: () => void): string | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    if (error instanceof RpcError) return error.code;
    throw error;
  }
}

const INVALID = 'INVALID_ARGUMENT';

describe('texts', () => {
  test('128 bytes, counted as they travel', () => {
    expect(codeOf(() => checkText('f', 'x'.repeat(128)))).toBeUndefined();
    expect(codeOf(() => checkText('f', 'x'.repeat(129)))).toBe(INVALID);
    expect(codeOf(() => checkText('f', 'ä'.repeat(64)))).toBeUndefined();
    expect(codeOf(() => checkText('f', `${'ä'.repeat(64)}x`))).toBe(INVALID);
    expect(codeOf(() => checkText('f', '€'.repeat(43)))).toBe(INVALID);
    expect(codeOf(() => checkText('f', 'x'.repeat(256), 256))).toBeUndefined();
    expect(codeOf(() => checkText('f', ''))).toBe(INVALID);
    expect(codeOf(() => checkOptionalText('f', ''))).toBeUndefined();
  });

  test('a name may hold white space, and no other control character (csi.proto, CreateVolumeRequest.name)', () => {
    for (let code = 0; code < 0x120; code++) {
      const name = `a${String.fromCharCode(code)}b`;
      const banned =
        code <= 0x08 ||
        code === 0x0b ||
        code === 0x0c ||
        (code >= 0x0e && code <= 0x1f) ||
        (code >= 0x7f && code <= 0x9f);
      expect([code, codeOf(() => checkName('name', name))]).toEqual([code, banned ? INVALID : undefined]);
      // Ids are the driver's own, and have none at all.
      const control = code < 0x20 || (code >= 0x7f && code < 0xa0);
      expect([code, codeOf(() => checkText('id', name))]).toEqual([code, control ? INVALID : undefined]);
    }
    expect(codeOf(() => checkName('name', ''))).toBe(INVALID);
    expect(codeOf(() => checkName('name', 'x'.repeat(129)))).toBe(INVALID);
  });

  test('property: an error names the field and never the value', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 3, unit: 'binary' }), (text) => {
        try {
          checkText('the_field', text);
        } catch (error) {
          expect((error as RpcError).details).toMatch(
            /^the_field: (is longer than 128 bytes|holds control characters)$/,
          );
        }
      }),
    );
  });
});

describe('maps', () => {
  test('4 KiB with keys and values together', () => {
    const size = (bytes: number): Record<string, string> => ({ key: 'v'.repeat(bytes - 3) });
    expect(codeOf(() => checkMap('f', size(4096)))).toBeUndefined();
    expect(codeOf(() => checkMap('f', size(4097)))).toBe(INVALID);
    const many = Object.fromEntries(
      Array.from({ length: 512 }, (_, n) => [`key${String(n).padStart(3, '0')}`, 'vv']),
    );
    expect(codeOf(() => checkMap('f', many))).toBeUndefined();
    expect(codeOf(() => checkMap('f', { ...many, x: '' }))).toBe(INVALID);
  });

  test('no empty key, no NUL', () => {
    expect(codeOf(() => checkMap('f', {}))).toBeUndefined();
    expect(codeOf(() => checkMap('f', { '': 'x' }))).toBe(INVALID);
    expect(codeOf(() => checkMap('f', { a: 'x\0' }))).toBe(INVALID);
    expect(codeOf(() => checkMap('f', { 'a\0': 'x' }))).toBe(INVALID);
    expect(codeOf(() => checkMap('f', { a: 'line\nline' }))).toBeUndefined();
  });
});

describe('paths', () => {
  test.each([
    '/var/lib/kubelet/pods/1/volumes/kubernetes.io~csi/pvc-1/mount',
    '/a',
    '/a/',
    '/a//b',
    '/a/./b',
    '/...',
    '/a/..b',
    `/${'x'.repeat(255)}`,
    '/abcdefgh'.repeat(455),
  ])('%.60s', (path) => {
    expect(codeOf(() => checkPath('p', path))).toBeUndefined();
  });

  test.each([
    '',
    'relative',
    './a',
    '/',
    '//',
    '/a/../b',
    '/..',
    '/a/..',
    '/a\0b',
    '/a\nb',
    `/${'x'.repeat(256)}`,
    `/${'ä'.repeat(128)}`,
    '/abcdefg'.repeat(512),
    '/.',
    '/./',
    '/.//.',
  ])('not %.60j', (path) => {
    expect(codeOf(() => checkPath('p', path))).toBe(INVALID);
  });
});

describe('sizes', () => {
  const range = (requiredBytes: bigint, limitBytes: bigint): string | undefined =>
    codeOf(() => checkCapacityRange('r', { requiredBytes, limitBytes }));

  test('a range with something in it', () => {
    expect(codeOf(() => checkCapacityRange('r', undefined))).toBeUndefined();
    expect(range(0n, 0n)).toBeUndefined();
    expect(range(5n, 0n)).toBeUndefined();
    expect(range(0n, 5n)).toBeUndefined();
    expect(range(5n, 5n)).toBeUndefined();
    expect(range(0n, 2n ** 63n - 1n)).toBeUndefined();
  });

  test('an empty one, a negative one, and one that no disk has', () => {
    expect(range(6n, 5n)).toBe('OUT_OF_RANGE');
    expect(range(-1n, 0n)).toBe(INVALID);
    expect(range(0n, -1n)).toBe(INVALID);
    expect(range(2n ** 63n - 1n, 0n)).toBe('OUT_OF_RANGE');
  });

  test('entries of a list', () => {
    expect(codeOf(() => checkMaxEntries(0))).toBeUndefined();
    expect(codeOf(() => checkMaxEntries(2 ** 31 - 1))).toBeUndefined();
    expect(codeOf(() => checkMaxEntries(-1))).toBe(INVALID);
  });
});
