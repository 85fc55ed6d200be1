import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { TemporaryDirectory } from '../../conformance/testing/netns.ts';
import { O } from './constants.ts';
import { readDir } from './directory.ts';
import { isErrno, SyscallError } from './errno.ts';
import { readAll } from './fd.ts';
import {
  createExclusive,
  mkdirp,
  openFile,
  overwriteFile,
  readFile,
  readlink,
  readText,
  readTextIfExists,
  rename,
  symlink,
  unlinkIfExists,
  writeFile,
  writeFileAtomic,
} from './file.ts';
import { exists, fstat, isDirectory, isLink, isSameFile, lstat, stat, statfs } from './stat.ts';

describe('files', () => {
  test('an error names call, errno and path', () => {
    const error = (() => {
      try {
        return readFile('/nonexistent/file');
      } catch (caught) {
        return caught;
      }
    })();
    expect(error).toBeInstanceOf(SyscallError);
    expect(error).toMatchObject({ call: 'openat', code: 'ENOENT', errno: 2, path: '/nonexistent/file' });
    expect(isErrno(error, 'EACCES', 'ENOENT')).toBe(true);
    expect(isErrno(error, 'EACCES')).toBe(false);
  });

  test('content survives writing and reading, larger than any buffer', () => {
    using directory = new TemporaryDirectory();
    const bytes = crypto.getRandomValues(new Uint8Array(50_000));
    const path = directory.join('a');
    writeFile(path, bytes, 0o640);
    expect(readFile(path)).toEqual(bytes);
    expect(stat(path)).toMatchObject({
      size: 50_000,
      nlink: 1,
      mode: 0o100640,
      ino: statSync(path, { bigint: true }).ino,
    });
    expect(stat(path).mtimeMs).toBeCloseTo(statSync(path).mtimeMs, 0);
    using file = openFile(path, O.RDONLY);
    expect(fstat(file.fd).ino).toBe(stat(path).ino);
    expect(() => readAll(file.fd, 49_999)).toThrow(RangeError);
  });

  test('overwriting leaves nothing of what was there, and makes what was not', () => {
    using directory = new TemporaryDirectory();
    const path = directory.join('a');
    for (const content of ['10.22.0.254', '10.22.0.3', '', '10.22.100.100']) {
      overwriteFile(path, content, 0o600);
      expect(readText(path)).toBe(content);
    }
    expect(stat(path).mode & 0o777).toBe(0o600);
  });

  test('the same file by another way is known as such', () => {
    using directory = new TemporaryDirectory();
    const [path, other, way] = [directory.join('a'), directory.join('b'), directory.join('c')];
    writeFile(path, '');
    writeFile(other, '');
    symlink('a', way);
    using file = openFile(path, O.RDONLY);
    expect([isSameFile(path, way), isSameFile(way, file.fd), isSameFile(path, other)]).toEqual([
      true,
      true,
      false,
    ]);
    unlinkIfExists(path);
    expect(isSameFile(path, file.fd)).toBe(false);
    writeFile(path, '');
    expect(isSameFile(path, file.fd)).toBe(false);
    expect(() => isSameFile(directory.join('a/b'), path)).toThrow('ENOTDIR');
  });

  test('an atomic write replaces the content and leaves no temporary file', () => {
    using directory = new TemporaryDirectory();
    const path = directory.join('a');
    writeFileAtomic(path, 'one');
    writeFileAtomic(path, 'two', { mode: 0o600 });
    expect(readText(path)).toBe('two');
    expect(stat(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(directory.path)).toEqual(['a']);
  });

  test('an atomic write that fails leaves no temporary file', () => {
    using directory = new TemporaryDirectory();
    mkdirp(directory.join('target/inside'));
    expect(() => writeFileAtomic(directory.join('target'), 'x')).toThrow('is a directory');
    expect(readdirSync(directory.path)).toEqual(['target']);
  });

  test('only one of two exclusive creations succeeds, and its content stays', () => {
    using directory = new TemporaryDirectory();
    const path = directory.join('10.0.0.2');
    createExclusive(path, 'first');
    expect(() => createExclusive(path, 'second')).toThrow('EEXIST');
    expect(readFileSync(path, 'utf8')).toBe('first');
    expect(stat(path)).toMatchObject({ nlink: 1, mode: 0o100600 });
    expect(readdirSync(directory.path)).toEqual(['10.0.0.2']);
    expect(() => createExclusive(directory.join('missing/x'), '')).toThrow('ENOENT');
  });

  test('directories, links, and names that are not there', () => {
    using directory = new TemporaryDirectory();
    mkdirp(directory.join('a/b/c'));
    mkdirp(directory.join('a/b/c'));
    expect(isDirectory(stat(directory.join('a/b/c')))).toBe(true);
    writeFile(directory.join('file'), '');
    expect(() => mkdirp(directory.join('file/x'))).toThrow('ENOTDIR');
    symlink('nowhere', directory.join('link'));
    expect(readlink(directory.join('link'))).toBe('nowhere');
    expect(isLink(lstat(directory.join('link')))).toBe(true);
    expect(exists(directory.join('link'))).toBe(true);
    expect(readDir(directory.path).sort((x, y) => x.name.localeCompare(y.name))).toEqual([
      { name: 'a', type: 'dir' },
      { name: 'file', type: 'file' },
      { name: 'link', type: 'link' },
    ]);
    expect(unlinkIfExists(directory.join('link'))).toBe(true);
    expect(unlinkIfExists(directory.join('link'))).toBe(false);
    expect(readTextIfExists(directory.join('link'))).toBeUndefined();
    rename(directory.join('file'), directory.join('file2'));
    expect(existsSync(directory.join('file2'))).toBe(true);
    expect(() => readText('a\0b')).toThrow('EINVAL');
  });

  test('a directory of thousands of names is read whole', () => {
    using directory = new TemporaryDirectory();
    const names = Array.from({ length: 3000 }, (_, index) => `name-${index}-${'x'.repeat(index % 40)}`);
    for (const name of names) writeFile(directory.join(name), '');
    expect(new Set(readDir(directory.path).map((entry) => entry.name))).toEqual(new Set(names));
  });

  test('the file system is told by its magic number', () => {
    expect(statfs('/proc').type).toBe(0x9fa0);
    expect(statfs('/').size).toBeGreaterThan(statfs('/').available);
  });
});
