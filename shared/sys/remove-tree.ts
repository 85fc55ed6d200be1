/**
 * Removes a directory with all that is in it, of whoever made it: a pod may have planted links, odd names, or more directories in
 * each other than there are descriptors, and may still be at it.
 */

import { AT, O } from './constants.ts';
import { readSomeEntries } from './directory.ts';
import { isErrno, SyscallError } from './errno.ts';
import type { Fd, OwnedFd } from './fd.ts';
import { openFile } from './file.ts';
import { nameBytes, openBeneath } from './open-beneath.ts';
import { monotonicMs } from './process.ts';
import { trySyscall } from './syscall.ts';

/** Levels that are open at a time; what lies deeper is first moved up to the top. */
const MAX_DEPTH = 64;

/** include/uapi/linux/fs.h */
const RENAME_NOREPLACE = 1;

/** The event loop gets its turn after so long, in ms. */
const SLICE = 5;

const ENOENT = 2;

export interface RemoveTreeOptions {
  readonly signal?: AbortSignal;
  /** Another way to remove a directory, tried first: true where it is gone. For file systems that can do it at once. */
  readonly removeWhole?: (parent: Fd, name: Uint8Array, directory: Fd) => boolean;
}

/**
 * Removes what is called `name` in the directory at `parent`, tree or file; nothing where there is none. Goes by open directories
 * alone: no link is followed, no mount entered, and nothing outside is touched. Whoever is stopped may begin again.
 *
 * @throws SyscallError EXDEV or EBUSY where something is mounted in it; the signal's reason
 */
export async function removeTree(
  parent: string,
  name: string,
  options: RemoveTreeOptions = {},
): Promise<void> {
  using top = openFile(parent, O.RDONLY | O.DIRECTORY | O.NOFOLLOW);
  const removal = new Removal(top.fd, `${parent}/${name}`, options);
  await removal.remove(nameBytes(name).slice(0, -1));
}

class Removal {
  readonly #top: Fd;
  readonly #shown: string;
  readonly #options: RemoveTreeOptions;
  #moved = 0;
  #turnBegan = monotonicMs();

  constructor(top: Fd, shown: string, options: RemoveTreeOptions) {
    this.#top = top;
    this.#shown = shown;
    this.#options = options;
  }

  async remove(name: Uint8Array): Promise<void> {
    await this.#entry(this.#top, name, undefined, 0);
  }

  /** @param root the directory of depth 1, to which what lies too deep is moved */
  async #entry(parent: Fd, name: Uint8Array, root: Fd | undefined, depth: number): Promise<void> {
    await this.#turn();
    const result = trySyscall('unlinkat', parent, nameBytes(name), 0);
    if (result === 0 || result === -ENOENT) return;
    const error = new SyscallError('unlinkat', -result, this.#shown);
    // EPERM: what POSIX says of directories.
    if (!isErrno(error, 'EISDIR', 'EPERM')) throw error;
    if (root !== undefined && depth > MAX_DEPTH) return this.#moveUp(parent, name, root);
    await this.#directory(parent, name, root, depth, error);
  }

  async #directory(
    parent: Fd,
    name: Uint8Array,
    root: Fd | undefined,
    depth: number,
    cause: SyscallError,
  ): Promise<void> {
    for (;;) {
      {
        using directory = this.#open(parent, name, cause);
        if (!directory) return;
        if (this.#options.removeWhole?.(parent, name, directory.fd)) return;
        await this.#content(directory.fd, root ?? directory.fd, depth);
      }
      const result = trySyscall('unlinkat', parent, nameBytes(name), AT.REMOVEDIR);
      if (result === 0 || result === -ENOENT) return;
      const error = new SyscallError('unlinkat', -result, this.#shown);
      // Somebody puts things in, or we did ourselves (#moveUp).
      if (!isErrno(error, 'ENOTEMPTY', 'EEXIST')) throw error;
      await this.#turn();
    }
  }

  async #content(directory: Fd, root: Fd, depth: number): Promise<void> {
    for (;;) {
      const entries = readSomeEntries(directory, this.#shown);
      if (!entries) return;
      for (const { name } of entries) await this.#entry(directory, name, root, depth + 1);
    }
  }

  #open(parent: Fd, name: Uint8Array, cause: SyscallError): OwnedFd | undefined {
    try {
      return openBeneath(parent, name, O.RDONLY | O.DIRECTORY | O.NOFOLLOW, this.#shown);
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return undefined;
      // No directory after all: the first error tells what hinders.
      if (isErrno(error, 'ENOTDIR')) throw cause;
      throw error;
    }
  }

  #moveUp(parent: Fd, name: Uint8Array, root: Fd): void {
    for (;;) {
      this.#moved += 1;
      const to = nameBytes(`.removed-${this.#moved}`);
      const result = trySyscall('renameat2', parent, nameBytes(name), root, to, RENAME_NOREPLACE);
      if (result === 0 || result === -ENOENT) return;
      const error = new SyscallError('renameat2', -result, this.#shown);
      if (!isErrno(error, 'EEXIST')) throw error;
    }
  }

  /** Lets others have the event loop now and then. */
  async #turn(): Promise<void> {
    this.#options.signal?.throwIfAborted();
    if (monotonicMs() - this.#turnBegan < SLICE) return;
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.#turnBegan = monotonicMs();
  }
}
