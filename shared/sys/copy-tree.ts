/**
 * Copies a directory with all that is in it, whoever made that and may still be changing it: by open directories alone, so that no
 * link leads out of it. Of what is changed meanwhile the copy has the old or the new, file by file, and of one file a mixture.
 */

import { AT, O, S_IF } from './constants.ts';
import { readSomeEntries } from './directory.ts';
import { errnoNumber, isErrno, SyscallError } from './errno.ts';
import { type Fd, OwnedFd } from './fd.ts';
import { openFile } from './file.ts';
import { copyMetadata } from './metadata.ts';
import { nameBytes, openBeneath } from './open-beneath.ts';
import { monotonicMs } from './process.ts';
import { type FileStat, fstat, fstatTimes, isDirectory, isLink, isRegular } from './stat.ts';
import { cstring, syscall, trySyscall } from './syscall.ts';

/** Two descriptors are open for each level. */
const MAX_DEPTH = 400;

/** The event loop gets its turn after so long, in ms. */
const SLICE = 5;

export interface CopyTreeOptions {
  readonly signal: AbortSignal;
  /** Copies one file's data to an empty one. */
  readonly copyData: (source: Fd, target: Fd, path: string) => Promise<void>;
}

/**
 * Copies what is in the directory `source`, and its own metadata, to the empty directory `target`. Hard links stay such; devices,
 * sockets and fifos are made anew.
 *
 * @throws SyscallError EXDEV where something is mounted in it; ENAMETOOLONG where directories lie deeper in each other than 400;
 * ENOSPC, EDQUOT
 */
export async function copyTree(source: string, target: string, options: CopyTreeOptions): Promise<void> {
  using from = openFile(source, O.RDONLY | O.DIRECTORY | O.NOFOLLOW);
  using to = openFile(target, O.RDONLY | O.DIRECTORY | O.NOFOLLOW);
  await new TreeCopy(to.fd, source, options).directory(from.fd, to.fd, new Uint8Array(), 0);
}

class TreeCopy {
  readonly #root: Fd;
  readonly #shown: string;
  readonly #options: CopyTreeOptions;
  /** Paths in the target of files that have several names, by their inode. */
  readonly #linked = new Map<string, Uint8Array>();
  #turnBegan = monotonicMs();

  constructor(root: Fd, shown: string, options: CopyTreeOptions) {
    this.#root = root;
    this.#shown = shown;
    this.#options = options;
  }

  /** @param path of `to` in the target, with a slash at its end unless it is empty */
  async directory(from: Fd, to: Fd, path: Uint8Array, depth: number): Promise<void> {
    if (depth > MAX_DEPTH) throw new SyscallError('copy', errnoNumber('ENAMETOOLONG'), this.#shown);
    for (;;) {
      const entries = readSomeEntries(from, this.#shown);
      if (!entries) break;
      for (const { name } of entries) await this.#entry(from, to, name, path, depth);
    }
    copyMetadata(from, to, this.#shown);
  }

  async #entry(from: Fd, to: Fd, name: Uint8Array, path: Uint8Array, depth: number): Promise<void> {
    await this.#turn();
    using entry = this.#open(from, name, O.PATH | O.NOFOLLOW);
    if (!entry) return;
    const file = fstat(entry.fd);
    if (isDirectory(file)) {
      using inner = this.#open(from, name, O.RDONLY | O.DIRECTORY | O.NOFOLLOW);
      if (!inner) return;
      syscall('mkdirat', this.#shown, to, nameBytes(name), 0o700);
      using copy = openBeneath(to, name, O.RDONLY | O.DIRECTORY | O.NOFOLLOW, this.#shown);
      await this.directory(inner.fd, copy.fd, join(path, name, '/'), depth + 1);
    } else if (isRegular(file)) await this.#file(entry.fd, file, to, name, path);
    else this.#special(entry.fd, file, to, name);
  }

  async #file(entry: Fd, file: FileStat, to: Fd, name: Uint8Array, path: Uint8Array): Promise<void> {
    const key = `${file.dev}:${file.ino}`;
    const first = file.nlink > 1 ? this.#linked.get(key) : undefined;
    if (first && this.#link(first, to, name)) return;
    // This very inode, known not to be a device or a fifo.
    using source = openFile(`/proc/self/fd/${entry}`, O.RDONLY);
    const flags = O.RDWR | O.CREAT | O.EXCL | O.NOFOLLOW | O.CLOEXEC;
    using target = new OwnedFd(syscall('openat', this.#shown, to, nameBytes(name), flags, 0o600));
    await this.#options.copyData(source.fd, target.fd, this.#shown);
    copyMetadata(source.fd, target.fd, this.#shown);
    if (file.nlink > 1) this.#linked.set(key, join(path, name, ''));
  }

  /** False where the path is too long for a link: it becomes a file of its own. */
  #link(first: Uint8Array, to: Fd, name: Uint8Array): boolean {
    const result = trySyscall('linkat', this.#root, nameBytes(first), to, nameBytes(name), 0);
    if (result === 0) return true;
    const error = new SyscallError('linkat', -result, this.#shown);
    if (isErrno(error, 'ENAMETOOLONG', 'EMLINK')) return false;
    throw error;
  }

  /** A link, device, socket or fifo. */
  #special(entry: Fd, file: FileStat, to: Fd, name: Uint8Array): void {
    const named = nameBytes(name);
    if (isLink(file)) {
      const held = new Uint8Array(4096);
      const length = syscall('readlinkat', this.#shown, entry, cstring(''), held, held.length - 1);
      syscall('symlinkat', this.#shown, nameBytes(held.subarray(0, length)), to, named);
    } else {
      syscall('mknodat', this.#shown, to, named, (file.mode & S_IF.MT) | 0o600, file.rdev);
    }
    syscall('fchownat', this.#shown, to, named, file.uid, file.gid, AT.SYMLINK_NOFOLLOW);
    if (!isLink(file)) syscall('fchmodat', this.#shown, to, named, file.mode & 0o7777);
    syscall('utimensat', this.#shown, to, named, fstatTimes(entry), AT.SYMLINK_NOFOLLOW);
  }

  /** undefined where it has gone, or has become something else, since it was listed. */
  #open(directory: Fd, name: Uint8Array, flags: number): OwnedFd | undefined {
    try {
      return openBeneath(directory, name, flags, this.#shown);
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
      // A directory that has become a link; a link itself is opened by O_PATH.
      if (isErrno(error, 'ELOOP') && (flags & O.PATH) === 0) return undefined;
      throw error;
    }
  }

  async #turn(): Promise<void> {
    this.#options.signal.throwIfAborted();
    if (monotonicMs() - this.#turnBegan < SLICE) return;
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.#turnBegan = monotonicMs();
  }
}

function join(path: Uint8Array, name: Uint8Array, end: '/' | ''): Uint8Array {
  const joined = new Uint8Array(path.length + name.length + end.length);
  joined.set(path);
  joined.set(name, path.length);
  if (end !== '') joined[joined.length - 1] = 0x2f;
  return joined;
}
