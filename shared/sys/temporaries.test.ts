import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { freshNetns, TemporaryDirectory } from '../../conformance/testing/netns.ts';
import { createThroughTemporary, writeFileAtomic } from './file.ts';
import { mount, unmount } from './mount.ts';
import { sweepTemporaries } from './sweep.ts';
import { isTemporaryName, temporaryName } from './temporary-name.ts';

describe('temporary names', () => {
  test('two processes of the same id, one after the other, do not meet', async () => {
    // Modules of their own, by their own names.
    const load = async (name: string): Promise<{ temporaryName: (path: string) => string }> =>
      import(/* @vite-ignore */ `${import.meta.dirname}/temporary-name.ts?${name}`);
    const [afterKill, again] = [await load('after-kill'), await load('again')];
    const [one, other] = [afterKill.temporaryName('/a/b'), again.temporaryName('/a/b')];
    // Both count from 1: what is the same is all but the random part.
    const withoutRandom = (name: string): string => name.replace(/[^.]+\.tmp$/, '');
    expect(withoutRandom(one)).toBe(withoutRandom(other));
    expect(one).not.toBe(other);
  });

  test('are hidden, lie beside the file, and are told from all others', () => {
    const name = temporaryName('/var/lib/x');
    expect(name).toMatch(/^\/var\/lib\/\.x\./);
    expect(isTemporaryName(name.slice('/var/lib/'.length))).toBe(true);
    expect(isTemporaryName(temporaryName('x'))).toBe(true);
    for (const other of ['x', '.x', '.x.tmp', 'x.1.1.00000000.tmp', '.x.1.1.00000000.tmp~', '..1.1.0.tmp']) {
      expect(isTemporaryName(other), other).toBe(false);
    }
  });
});

describe('a sweep', () => {
  test('takes what is old and nothing else', () => {
    using directory = new TemporaryDirectory();
    const [old, young] = [temporaryName(directory.join('a')), temporaryName(directory.join('a'))];
    const strangers = ['a', '.hidden', '.foreign.tmp'];
    for (const path of [old, young, ...strangers.map((name) => directory.join(name))]) {
      writeFileSync(path, '');
      if (path !== young) utimesSync(path, 0, Date.now() / 1000 - 601);
    }
    mkdirSync(temporaryName(directory.join('b')));
    const before = readdirSync(directory.path).length;
    expect(sweepTemporaries(directory.path)).toBe(1);
    expect(existsSync(old)).toBe(false);
    expect(readdirSync(directory.path)).toHaveLength(before - 1);
    expect(sweepTemporaries(directory.path, 0)).toBe(1);
    expect(existsSync(young)).toBe(false);
  });

  test('finds nothing where there is no directory', () => {
    expect(sweepTemporaries('/nonexistent/directory')).toBe(0);
  });
});

describe('creating through a temporary file', () => {
  test('gives a name that is free, and only that', () => {
    using directory = new TemporaryDirectory();
    const path = directory.join('10.0.0.2');
    createThroughTemporary(path, Buffer.from('first'), 0o600);
    expect(() => createThroughTemporary(path, Buffer.from('second'), 0o600)).toThrow('EEXIST');
    expect(readFileSync(path, 'utf8')).toBe('first');
    expect(readdirSync(directory.path)).toEqual(['10.0.0.2']);
  });

  test.skipIf(!freshNetns())('leaves nothing on a full disk', () => {
    using directory = new TemporaryDirectory();
    mount('tmpfs', directory.path, 'tmpfs', 0, 'size=16k');
    const large = new Uint8Array(65_536);
    expect(() => createThroughTemporary(directory.join('a'), large, 0o600)).toThrow('ENOSPC');
    expect(() => writeFileAtomic(directory.join('a'), large)).toThrow('ENOSPC');
    expect(readdirSync(directory.path)).toEqual([]);
    unmount(directory.path);
  });
});
