import { spawn, spawnSync } from 'node:child_process';
import { existsSync, symlinkSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { TemporaryDirectory } from '../../conformance/testing/netns.ts';
import { LOCK, O } from './constants.ts';
import { mkdirp, openFile, unlinkIfExists, writeFile } from './file.ts';
import { isLocked, LockTimeout, lock, lockForLife, tryLock } from './lock.ts';
import { fstat, stat } from './stat.ts';
import { trySyscall } from './syscall.ts';

describe('locks', () => {
  test('a lock excludes others until it is released', () => {
    using directory = new TemporaryDirectory();
    const path = directory.join('new/directory/x.lock');
    const held = lock(path, 0);
    expect(tryLock(path)).toBeUndefined();
    expect(isLocked(path)).toBe(true);
    expect(() => lock(path, 5)).toThrow(LockTimeout);
    held.release();
    expect(isLocked(path)).toBe(false);
    using again = lock(path, 0);
    again.removeAndRelease();
    expect(existsSync(path)).toBe(false);
  });

  test('who waited for a removed lock file holds the new one, not the old', () => {
    using directory = new TemporaryDirectory();
    const path = directory.join('x.lock');
    const first = lock(path, 0);
    // What a waiting process has open: the file that the holder is about to remove.
    using waiting = openFile(path, O.RDWR);
    first.removeAndRelease();
    using second = lock(path, 0);
    expect(fstat(waiting.fd).ino === stat(path).ino && fstat(waiting.fd).nlink === 1).toBe(false);
    expect(second.path).toBe(path);
    expect(tryLock(path)).toBeUndefined();
  });

  test('the kernel releases the lock of a killed process', async () => {
    using directory = new TemporaryDirectory();
    const path = directory.join('x.lock');
    const child = spawn('flock', ['--no-fork', path, 'sh', '-c', 'echo locked; exec sleep 60'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    expect(tryLock(path)).toBeUndefined();
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
    using held = lock(path, 0);
    expect(held.path).toBe(path);
  });

  test('a program waits for who is just ending, and not for one that runs', async () => {
    using directory = new TemporaryDirectory();
    const path = directory.join('x.lock');
    // As a child that is still on its way to another program when its starter is killed.
    const child = spawn('flock', ['--no-fork', path, 'sh', '-c', 'echo locked; exec sleep 0.3'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    expect(tryLock(path)).toBeUndefined();
    using held = lockForLife(path);
    expect(held?.path).toBe(path);
    expect(lockForLife(path)).toBeUndefined();
  });

  test('a link in the place of a lock file is not followed', () => {
    using directory = new TemporaryDirectory();
    symlinkSync('/etc/passwd', directory.join('x.lock'));
    expect(() => tryLock(directory.join('x.lock'))).toThrow('ELOOP');
  });

  test('a lock file that cannot be removed is left behind, unlocked', () => {
    using directory = new TemporaryDirectory();
    const path = directory.join('x.lock');
    const held = lock(path, 0);
    using watching = openFile(path, O.RDWR);
    // unlink(2) refuses a directory.
    unlinkIfExists(path);
    mkdirp(path);
    held.removeAndRelease();
    expect(existsSync(path)).toBe(true);
    expect(trySyscall('flock', watching.fd, LOCK.EX | LOCK.NB)).toBe(0);
  });

  test('only a file that does not exist is surely not locked', () => {
    using directory = new TemporaryDirectory();
    writeFile(directory.join('file'), '');
    expect(isLocked(directory.join('missing'))).toBe(false);
    expect(isLocked(directory.join('file/x.lock'))).toBe(false);
    symlinkSync('loop.lock', directory.join('loop.lock'));
    expect(() => isLocked(directory.join('loop.lock'))).toThrow('ELOOP');
    expect(() => isLocked(directory.join('x'.repeat(300)))).toThrow('ENAMETOOLONG');
  });

  test('that it cannot be told who holds a lock, for want of descriptors, is not the answer that nobody does', () => {
    using directory = new TemporaryDirectory();
    const path = directory.join('x.lock');
    using held = lock(path, 0);
    const script = `
      import { openFile } from ${JSON.stringify(`${import.meta.dirname}/file.ts`)};
      import { isLocked } from ${JSON.stringify(`${import.meta.dirname}/lock.ts`)};
      const open = [];
      try { for (;;) open.push(openFile('/dev/null', 0)); } catch {}
      let answer;
      try { answer = isLocked(${JSON.stringify(path)}); } catch (error) { answer = error.code; }
      for (const file of open) file.close();
      console.log(answer);`;
    const child = spawnSync('sh', ['-c', 'ulimit -n 64; exec "$0" -e "$1"', process.execPath, script], {
      encoding: 'utf8',
    });
    expect(child.stdout + child.stderr).toBe('EMFILE\n');
    expect(held.path).toBe(path);
  });
});
