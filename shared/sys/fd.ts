/** File descriptors that close themselves at the end of their scope. */

import { syscall, trySyscall } from './syscall.ts';

/** An open file descriptor's number. */
export type Fd = number & { readonly __brand: 'Fd' };

/** A file descriptor with one owner: `using file = …` closes it. */
export class OwnedFd implements Disposable {
  #fd: number;

  /** Takes ownership of `fd`. */
  constructor(fd: number) {
    this.#fd = fd;
  }

  /** The number; throws once closed, so that a reused number is never touched by mistake. */
  get fd(): Fd {
    if (this.#fd < 0) throw new Error('file descriptor used after close');
    return this.#fd as Fd;
  }

  /** True once `close` or `release` was called. */
  get closed(): boolean {
    return this.#fd < 0;
  }

  /** Closes the descriptor; a second call does nothing. */
  close(): void {
    const fd = this.#fd;
    this.#fd = -1;
    // The descriptor is gone whatever close(2) returns; data errors were reported by fsync.
    if (fd >= 0) trySyscall('close', fd);
  }

  /** Gives ownership up: the caller must close the returned number. */
  release(): Fd {
    const fd = this.fd;
    this.#fd = -1;
    return fd;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Writes all of `bytes`, in as many write(2) calls as the kernel wants. */
export function writeAll(fd: Fd | number, bytes: Uint8Array, path?: string): void {
  let rest = bytes;
  while (rest.length > 0) {
    const written = syscall('write', path, fd, rest, rest.length);
    rest = rest.subarray(written);
  }
}

/**
 * Reads until end of file.
 *
 * @param limit the most bytes accepted
 * @throws RangeError when there are more than `limit`
 */
export function readAll(fd: Fd | number, limit: number = Number.MAX_SAFE_INTEGER, path?: string): Uint8Array {
  let buffer = new Uint8Array(4096);
  let length = 0;
  for (;;) {
    if (length === buffer.length) {
      const larger = new Uint8Array(buffer.length * 4);
      larger.set(buffer);
      buffer = larger;
    }
    const free = buffer.subarray(length);
    const count = syscall('read', path, fd, free, free.length);
    if (count === 0) return buffer.subarray(0, length);
    length += count;
    if (length > limit)
      throw new RangeError(`more than ${limit} bytes to read${path ? ` from ${path}` : ''}`);
  }
}
