import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { packTar, type TarEntry } from './tar.ts';

let dir = '';
beforeAll(() => {
  dir = mkdtempSync(`${tmpdir()}/underpod-tar-`);
});
afterAll(() => rmSync(dir, { recursive: true }));

const file = (path: string, text: string, mode = 0o644): TarEntry => ({
  path,
  type: 'file',
  mode,
  content: new TextEncoder().encode(text),
});

function tar(archive: Uint8Array, ...args: string[]): string {
  writeFileSync(`${dir}/archive.tar`, archive);
  const done = Bun.spawnSync(['tar', '--file', `${dir}/archive.tar`, ...args], { stderr: 'pipe' });
  expect(done.stderr.toString()).toBe('');
  return done.stdout.toString();
}

describe('packTar', () => {
  test('tar lists what was packed, as root’s and of 1970', () => {
    const archive = packTar([
      file('opt/bin/program', 'text', 0o755),
      { path: 'opt', type: 'directory', mode: 0o755 },
      { path: 'flannel', type: 'link', target: 'opt/bin/program' },
      { path: 'tmp', type: 'directory', mode: 0o1777 },
    ]);
    expect(tar(archive, '--list', '--verbose', '--utc', '--numeric-owner').split('\n')).toEqual([
      expect.stringMatching(/^lrwxrwxrwx 0\/0 +0 1970-01-01 00:00 flannel -> opt\/bin\/program$/),
      expect.stringMatching(/^drwxr-xr-x 0\/0 +0 1970-01-01 00:00 opt\/$/),
      expect.stringMatching(/^-rwxr-xr-x 0\/0 +4 1970-01-01 00:00 opt\/bin\/program$/),
      expect.stringMatching(/^drwxrwxrwt 0\/0 +0 1970-01-01 00:00 tmp\/$/),
      '',
    ]);
    expect(archive.length % 10_240).toBe(0);
  });

  test('the order of the entries makes no difference', () => {
    const entries = [file('b', '1'), file('a', '2'), file('a/b', '3')];
    expect(packTar(entries)).toEqual(packTar(entries.toReversed()));
  });

  test('long paths are cut at a slash', () => {
    const long = `${'d'.repeat(90)}/${'e'.repeat(60)}/${'f'.repeat(90)}`;
    expect(tar(packTar([file(long, '')]), '--list')).toBe(`${long}\n`);
  });

  test.each([
    ['a path without a place to cut', [file('x'.repeat(101), '')]],
    ['a path that is too long in all', [file(`${'d/'.repeat(130)}x`, '')]],
    ['a path that is there twice', [file('a', '1'), file('a', '2')]],
    ['the target of a link', [{ path: 'a', type: 'link', target: 't'.repeat(101) } as const]],
  ])('refuses %s', (_what, entries) => {
    expect(() => packTar(entries)).toThrow(RangeError);
  });

  test('tar reads any content back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), (content) => {
        const archive = packTar([{ path: 'x', type: 'file', mode: 0o644, content }]);
        writeFileSync(`${dir}/archive.tar`, archive);
        const read = Bun.spawnSync([
          'tar',
          '--file',
          `${dir}/archive.tar`,
          '--extract',
          '--to-stdout',
          'x',
        ]).stdout;
        expect(new Uint8Array(read)).toEqual(content);
      }),
      { numRuns: 30 },
    );
  });
});
