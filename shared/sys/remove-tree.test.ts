import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { freshNetns, TemporaryDirectory } from '../../conformance/testing/netns.ts';
import { MNT, MS, O } from './constants.ts';
import { openFile } from './file.ts';
import { mount, unmount } from './mount.ts';
import { openBeneath } from './open-beneath.ts';
import { removeTree } from './remove-tree.ts';

const available = freshNetns();

describe('removing a tree', () => {
  test('with files, links, odd names, fifos, and what is in it; nothing outside', async () => {
    using directory = new TemporaryDirectory();
    mkdirSync(directory.join('kept'));
    writeFileSync(directory.join('kept/file'), 'x');
    mkdirSync(directory.join('tree/a/b'), { recursive: true });
    symlinkSync(directory.join('kept'), directory.join('tree/a/link'));
    symlinkSync('..', directory.join('tree/a/b/up'));
    const script = `cd "$1/tree" && mkfifo fifo && : > "$(printf 'a\\377b')" && mkdir "$(printf 'c\\n\\200')" && : > -rf`;
    expect(spawnSync('sh', ['-c', script, 'sh', directory.path]).status).toBe(0);
    await removeTree(directory.path, 'tree');
    expect(existsSync(directory.join('tree'))).toBe(false);
    expect(existsSync(directory.join('kept/file'))).toBe(true);
    await removeTree(directory.path, 'tree');
  });

  test('deeper than descriptors or paths go', async () => {
    using directory = new TemporaryDirectory();
    const script = `import os, sys
os.chdir(sys.argv[1])
for depth in range(3000):
    os.mkdir('d' * 20); open('file', 'w').close(); os.chdir('d' * 20)`;
    mkdirSync(directory.join('tree'));
    expect(spawnSync('python3', ['-c', script, directory.join('tree')]).status).toBe(0);
    await removeTree(directory.path, 'tree');
    expect(existsSync(directory.join('tree'))).toBe(false);
  });

  test('a link in its place is removed, and what it leads to stays', async () => {
    using directory = new TemporaryDirectory();
    mkdirSync(directory.join('kept'));
    writeFileSync(directory.join('kept/file'), 'x');
    symlinkSync('kept', directory.join('tree'));
    await removeTree(directory.path, 'tree');
    expect(existsSync(directory.join('tree'))).toBe(false);
    expect(existsSync(directory.join('kept/file'))).toBe(true);
  });

  test('who gives up is heard, and the rest goes the next time', async () => {
    using directory = new TemporaryDirectory();
    mkdirSync(directory.join('tree/a'), { recursive: true });
    const stopped = AbortSignal.abort(new Error('enough'));
    await expect(removeTree(directory.path, 'tree', { signal: stopped })).rejects.toThrow('enough');
    expect(existsSync(directory.join('tree/a'))).toBe(true);
    await removeTree(directory.path, 'tree');
    expect(existsSync(directory.join('tree'))).toBe(false);
  });

  test.skipIf(!available)('a mount in it is neither entered nor removed', async () => {
    using directory = new TemporaryDirectory();
    mkdirSync(directory.join('kept'));
    writeFileSync(directory.join('kept/file'), 'x');
    mkdirSync(directory.join('tree/mounted'), { recursive: true });
    // Of the same file system: its device number tells nothing.
    mount(directory.join('kept'), directory.join('tree/mounted'), 'none', MS.BIND);
    await expect(removeTree(directory.path, 'tree')).rejects.toThrow('EXDEV');
    expect(existsSync(directory.join('kept/file'))).toBe(true);
    unmount(directory.join('tree/mounted'), MNT.DETACH);
    await removeTree(directory.path, 'tree');
    expect(existsSync(directory.join('tree'))).toBe(false);
  });
});

test('opening beneath a directory: no link, no way out', () => {
  using directory = new TemporaryDirectory();
  mkdirSync(directory.join('a'));
  symlinkSync('a', directory.join('link'));
  using top = openFile(directory.path, O.RDONLY | O.DIRECTORY);
  const open = (name: string): void => openBeneath(top.fd, name, O.RDONLY | O.DIRECTORY, name).close();
  open('a');
  expect(() => open('link')).toThrow('ELOOP');
  expect(() => open('../')).toThrow('EXDEV');
  expect(() => open('a/../../etc')).toThrow('EXDEV');
  expect(() => open('/etc')).toThrow('EXDEV');
  expect(() => open('a\0b')).toThrow('EINVAL');
});
