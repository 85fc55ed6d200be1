import { spawnSync } from 'node:child_process';
import {
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { describe, expect, test } from 'vitest';
import { kernelTestsUnavailable, run, TemporaryDirectory } from '../../conformance/testing/netns.ts';
import { type CopyTreeOptions, copyTree } from './copy-tree.ts';
import type { Fd } from './fd.ts';
import { readAll, writeAll } from './fd.ts';

const reason = kernelTestsUnavailable();
if (reason !== undefined) process.stderr.write(`skipped: copying trees: ${reason}\n`);

const options: CopyTreeOptions = {
  signal: new AbortController().signal,
  copyData: async (source: Fd, target: Fd) => writeAll(target, readAll(source)),
};

/** What cp(1) and we should agree on: types, permissions, owners, sizes, link counts, times to the nanosecond, links' targets. */
function listing(directory: string): string {
  const format = '%P %y %m %U:%G %s %n %T@ %l\\n';
  return run('find', directory, '-mindepth', '0', '-printf', format).split('\n').sort().join('\n');
}

describe.skipIf(reason !== undefined)('copying a tree', () => {
  test('all that a pod can make is there again', async () => {
    using directory = new TemporaryDirectory();
    const [source, target] = [directory.join('source'), directory.join('target')];
    mkdirSync(target);
    mkdirSync(source);
    const script = `cd "$1" && mkdir -p a/b && echo x > a/b/file && chmod 4751 a/b/file && chown 1000:2000 a/b/file a
      ln a/b/file hard && ln -s ../../etc/passwd a/link && ln -s nowhere dangling && mkfifo -m 640 fifo
      mknod null c 1 3 && chmod 666 null && : > "$(printf 'odd\\n\\377')" && mkdir -m 2775 group
      chown -h 5:6 dangling && touch -h -d '2001-02-03 04:05:06.123456789' dangling a/b/file a group
      truncate -s 5M sparse && touch -d '1999-01-01' .`;
    expect(spawnSync('sh', ['-ec', script, 'sh', source]).stderr.toString()).toBe('');
    await copyTree(source, target, options);
    expect(listing(target)).toBe(listing(source));
    expect(readFileSync(`${target}/hard`, 'utf8')).toBe('x\n');
    expect(readlinkSync(`${target}/a/link`)).toBe('../../etc/passwd');
    expect(lstatSync(`${target}/null`).rdev).toBe(lstatSync('/dev/null').rdev);
  });

  test('extended attributes and access control lists', async () => {
    using directory = new TemporaryDirectory();
    const [source, target] = [directory.join('source'), directory.join('target')];
    mkdirSync(target);
    mkdirSync(source);
    writeFileSync(`${source}/file`, 'x');
    const script = `import os, sys
f = sys.argv[1] + '/file'
os.setxattr(f, 'user.mine', bytes(range(256)))
os.setxattr(f, 'trusted.t', b'')
# version 2; user::rw-, user 1000 r--, group::---, mask r--, other ---
import struct
acl = struct.pack('<I', 2) + b''.join(struct.pack('<HHI', *e) for e in
  [(1, 6, 0xffffffff), (2, 4, 1000), (4, 0, 0xffffffff), (16, 4, 0xffffffff), (32, 0, 0xffffffff)])
os.setxattr(f, 'system.posix_acl_access', acl)`;
    const { stderr } = spawnSync('python3', ['-c', script, source], { encoding: 'utf8' });
    if (stderr.includes('Errno 95')) {
      process.stderr.write(`skipped: ${directory.path} takes no extended attributes\n`);
      return;
    }
    expect(stderr).toBe('');
    await copyTree(source, target, options);
    const print = `import os, sys
f = sys.argv[1] + '/file'
print(sorted((n, os.getxattr(f, n)) for n in os.listxattr(f)))`;
    const attributes = (path: string): string => run('python3', '-c', print, path);
    expect(attributes(target)).toBe(attributes(source));
    expect(attributes(target)).toContain('posix_acl_access');
  });

  test('a link in a directory’s place is copied as such, and not followed', async () => {
    using directory = new TemporaryDirectory();
    const [source, target] = [directory.join('source'), directory.join('target')];
    mkdirSync(target);
    mkdirSync(source);
    symlinkSync('/etc', `${source}/etc`);
    await copyTree(source, target, options);
    expect(lstatSync(`${target}/etc`).isSymbolicLink()).toBe(true);
    symlinkSync(source, directory.join('link'));
    await expect(copyTree(directory.join('link'), target, options)).rejects.toThrow(/ELOOP|ENOTDIR/);
  });

  test('who gives up is heard', async () => {
    using directory = new TemporaryDirectory();
    mkdirSync(directory.join('source/a'), { recursive: true });
    mkdirSync(directory.join('target'));
    const signal = AbortSignal.abort(new Error('enough'));
    const copying = copyTree(directory.join('source'), directory.join('target'), { ...options, signal });
    await expect(copying).rejects.toThrow('enough');
    expect(statSync(directory.join('target')).isDirectory()).toBe(true);
  });
});
