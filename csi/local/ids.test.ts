import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { idOf, isId } from './ids.ts';

/** Names as they come, and as somebody would choose them who means harm. */
const name = fc.oneof(
  fc.string({ minLength: 1, unit: 'binary', maxLength: 128 }),
  fc.stringMatching(/^[a-z0-9.-]{1,70}$/),
  fc.constantFrom(
    ...[
      '.',
      '..',
      '...',
      'a/../b',
      '../../etc',
      '/',
      '/etc/passwd',
      'a\0b',
      'a\n',
      'A',
      'a',
      '-',
      '-rf',
      '~',
      'ä',
      'a\u0308',
    ],
    ...[
      'volume.json',
      'a..b',
      'a.',
      '.a',
      'con',
      'x-',
      `x-${'0'.repeat(40)}`,
      `x-${'a'.repeat(40)}`,
      'x'.repeat(128),
      'x'.repeat(129),
    ],
  ),
);

describe('ids', () => {
  test("Kubernetes' names are ids as they are", () => {
    for (const each of ['pvc-0e5b7c9d-1f7f-4a77-8d3c-0a1b2c3d4e5f', 'snapshot-6b2f', 'csi-abc123', 'a', '0'])
      expect(idOf(each)).toBe(each);
  });

  test('property: different names have different ids, and a name always the same', () => {
    fc.assert(
      fc.property(fc.array(name, { maxLength: 40 }), (names) => {
        const different = [...new Set(names)];
        expect(new Set(different.map(idOf)).size).toBe(different.length);
        expect(different.map(idOf)).toEqual(different.map(idOf));
      }),
    );
  });

  test('an id is no name of another: what has the name of an id is something else', () => {
    fc.assert(
      fc.property(name, (each) => {
        const id = idOf(each);
        if (id !== each) expect(idOf(id)).not.toBe(id);
      }),
    );
  });

  test('property: every id is one part of a path, on any file system, and nothing to a shell', () => {
    fc.assert(
      fc.property(name, (each) => {
        const id = idOf(each);
        expect(isId(id)).toBe(true);
        expect(id).toMatch(/^[a-z0-9][a-z0-9.-]*$/);
        expect(id.length).toBeLessThanOrEqual(128);
        expect(id).not.toContain('..');
      }),
    );
  });

  test('property: what is no id is none, however it looks', () => {
    fc.assert(
      fc.property(name, (each) => {
        if (isId(each)) expect(each).toMatch(/^[a-z0-9](?:[a-z0-9.-]{0,127})$/);
      }),
    );
    for (const each of [
      '',
      '.',
      '..',
      '../x',
      'a/b',
      'a\n',
      'a\0',
      'A',
      ' a',
      'a ',
      '-a',
      '.a',
      'a..b',
      'x'.repeat(129),
      'ａ',
    ])
      expect([each, isId(each)]).toEqual([each, false]);
  });
});

test("the kubelet's inline volumes are known by their names, which are longer than a label", () => {
  // pkg/volume/csi, makeVolumeHandle: `csi-` and a SHA-256.
  const id = `csi-${'0123456789abcdef'.repeat(4)}`;
  expect(idOf(id)).toBe(id);
  expect(isId(id)).toBe(true);
});
