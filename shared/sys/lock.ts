/**
 * Locks between processes: flock(2) on a file, which the kernel releases when its holder dies.
 *
 * A lock file may be removed by its holder. Whoever locked the removed file meanwhile holds nothing, so after taking
 * the lock the name must still lead to the file that was locked; otherwise it is opened anew.
 */

import { AT, LOCK, O } from './constants.ts';
import { isErrno, SyscallError } from './errno.ts';
import type { Fd, OwnedFd } from './fd.ts';
import { mkdirp, openFile } from './file.ts';
import { monotonicMs, sleepMs } from './process.ts';
import { isSameFile } from './stat.ts';
import { cstring, trySyscall } from './syscall.ts';

const EAGAIN = 11;

/** Nobody gave the lock up in time. */
export class LockTimeout extends Error {
  override readonly name = 'LockTimeout';
  readonly path: string;

  constructor(path: string, timeoutMs: number) {
    super(`lock ${path}: still held by another process after ${timeoutMs} ms`);
    this.path = path;
  }
}

/** A held lock; `using` releases it. */
export class FileLock implements Disposable {
  readonly path: string;
  readonly #file: OwnedFd;

  /** Takes ownership of the descriptor that holds the lock. */
  constructor(path: string, file: OwnedFd) {
    this.path = path;
    this.#file = file;
  }

  /** The descriptor that holds the lock: a program that inherits it holds the lock as well, until both have ended. */
  get fd(): Fd {
    return this.#file.fd;
  }

  /** Releases the lock and leaves the file. */
  release(): void {
    this.#file.close();
  }

  /**
   * Removes the file, then releases the lock. A file that cannot be removed is left behind unlocked: it keeps nobody
   * out, and what the lock guarded is done, so this is no failure of it.
   */
  removeAndRelease(): void {
    if (!this.#file.closed) trySyscall('unlinkat', AT.FDCWD, cstring(this.path), 0);
    this.#file.close();
  }

  [Symbol.dispose](): void {
    this.release();
  }
}

function openLockFile(path: string): OwnedFd {
  const flags = O.RDWR | O.CREAT | O.NOFOLLOW;
  try {
    return openFile(path, flags, 0o600);
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
    mkdirp(path.slice(0, Math.max(1, path.lastIndexOf('/'))), 0o700);
    return openFile(path, flags, 0o600);
  }
}

/** Takes the lock if nobody holds it, else returns `undefined`. File and directories are made as needed. */
export function tryLock(path: string): FileLock | undefined {
  for (;;) {
    const file = openLockFile(path);
    const result = trySyscall('flock', file.fd, LOCK.EX | LOCK.NB);
    if (result < 0) {
      file.close();
      if (-result === EAGAIN) return undefined;
      throw new SyscallError('flock', -result, path);
    }
    if (isSameFile(path, file.fd)) return new FileLock(path, file);
    file.close();
  }
}

/**
 * Takes the lock, waiting up to `timeoutMs`.
 *
 * flock(2) knows no deadline and a blocked call would stop the event loop, so this asks again, at first after 0.2 ms
 * (most holders keep a lock for less) and never more than 10 ms apart.
 *
 * @throws LockTimeout
 */
export function lock(path: string, timeoutMs: number): FileLock {
  const deadline = monotonicMs() + timeoutMs;
  for (let pause = 0.2; ; pause = Math.min(pause * 1.5, 10)) {
    const held = tryLock(path);
    if (held) return held;
    if (monotonicMs() >= deadline) throw new LockTimeout(path, timeoutMs);
    sleepMs(pause);
  }
}

/** A program that is being started holds what its starter held until it is there; so long (ms) that takes on a busy machine. */
const HANDOVER = 1000;

/**
 * Takes the lock that the one program of its kind has on this node for its life; `undefined`: one is running. Who was killed
 * just now may still hold it: by a child that was under way to another program, and closes it on the way there.
 */
export function lockForLife(path: string): FileLock | undefined {
  try {
    return lock(path, HANDOVER);
  } catch (error) {
    if (error instanceof LockTimeout) return undefined;
    throw error;
  }
}

/**
 * True if another process holds the lock at `path`; never creates the file.
 *
 * @throws SyscallError where that cannot be told: only a file that does not exist is surely not locked
 */
export function isLocked(path: string): boolean {
  using file = openIfExists(path);
  if (file === undefined) return false;
  const result = trySyscall('flock', file.fd, LOCK.SH | LOCK.NB);
  if (result < 0 && result !== -EAGAIN) throw new SyscallError('flock', -result, path);
  return result < 0;
}

function openIfExists(path: string): OwnedFd | undefined {
  try {
    return openFile(path, O.RDONLY);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}
