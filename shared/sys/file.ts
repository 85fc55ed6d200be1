/** Files by path: reading, and writing that a crash or a second writer cannot leave half done. */

import { AT, O } from './constants.ts';
import { isErrno, SyscallError } from './errno.ts';
import { OwnedFd, readAll, writeAll } from './fd.ts';
import { exists } from './stat.ts';
import { cstring, syscall, trySyscall } from './syscall.ts';
import { temporaryName } from './temporary-name.ts';

const ENOENT = 2;

/** include/linux/stat.h: leave this time alone. */
const UTIME_OMIT = 0x3fff_fffen;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function toBytes(data: string | Uint8Array): Uint8Array {
  return typeof data === 'string' ? encoder.encode(data) : data;
}

function directoryOf(path: string): string {
  const slash = path.lastIndexOf('/');
  if (slash < 0) return '.';
  return slash === 0 ? '/' : path.slice(0, slash);
}

/** Opens a file, close-on-exec. @param flags a union of `O.*` @throws SyscallError */
export function openFile(path: string, flags: number, mode: number = 0o644): OwnedFd {
  return new OwnedFd(syscall('openat', path, AT.FDCWD, cstring(path), flags | O.CLOEXEC, mode));
}

/** The whole content of a file. @throws SyscallError */
export function readFile(path: string): Uint8Array {
  using file = openFile(path, O.RDONLY);
  return readAll(file.fd, Number.MAX_SAFE_INTEGER, path);
}

/**
 * Reads the start of a file into `buffer` and returns the number of bytes; -1 where there is no such file. For those
 * who look at hundreds of small files: nothing is allocated but the name.
 *
 * @throws SyscallError
 */
export function readStart(path: string, buffer: Uint8Array): number {
  const fd = trySyscall('openat', AT.FDCWD, cstring(path), O.RDONLY | O.CLOEXEC, 0);
  if (fd === -ENOENT) return -1;
  if (fd < 0) throw new SyscallError('openat', -fd, path);
  const length = trySyscall('read', fd, buffer, buffer.length);
  trySyscall('close', fd);
  if (length < 0) throw new SyscallError('read', -length, path);
  return length;
}

/** The whole content of a file as UTF-8. @throws SyscallError */
export function readText(path: string): string {
  return decoder.decode(readFile(path));
}

/** As `readText`, but `undefined` where there is no such file. */
export function readTextIfExists(path: string): string | undefined {
  try {
    return readText(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

/** Creates or truncates a file and writes `data`; a crash can leave it short: see `writeFileAtomic`. */
export function writeFile(path: string, data: string | Uint8Array, mode: number = 0o644): void {
  using file = openFile(path, O.WRONLY | O.CREAT | O.TRUNC, mode);
  writeAll(file.fd, toBytes(data), path);
}

/**
 * As `writeFile`, but the old content is written over instead of being cut off first, and what stands behind the new one
 * is cut off afterwards: a crash in between leaves the new content with the old one's end. For small files whose readers
 * bear that: ext4 and XFS flush a file that was cut to nothing when it is closed, which takes 0.4 ms.
 */
export function overwriteFile(path: string, data: string | Uint8Array, mode: number = 0o644): void {
  const bytes = toBytes(data);
  using file = openFile(path, O.WRONLY | O.CREAT, mode);
  writeAll(file.fd, bytes, path);
  syscall('ftruncate', path, file.fd, bytes.length);
}

/** How `writeFileAtomic` writes. */
export interface AtomicWriteOptions {
  /** Permission bits of the new file; 0644 unless given. The umask is applied. */
  readonly mode?: number;
  /** Whether file and directory are flushed to the disk, true unless given: then a power cut keeps old or new. */
  readonly fsync?: boolean;
}

/** Replaces `path` by a file with `data`: readers and crashes see the old content or the new, never a part. */
export function writeFileAtomic(
  path: string,
  data: string | Uint8Array,
  options: AtomicWriteOptions = {},
): void {
  const fsync = options.fsync ?? true;
  const temporary = temporaryName(path);
  try {
    {
      using file = openFile(temporary, O.WRONLY | O.CREAT | O.EXCL, options.mode ?? 0o644);
      writeAll(file.fd, toBytes(data), temporary);
      if (fsync) syscall('fsync', temporary, file.fd);
    }
    rename(temporary, path);
  } catch (error) {
    trySyscall('unlinkat', AT.FDCWD, cstring(temporary), 0);
    throw error;
  }
  if (fsync) fsyncDirectory(directoryOf(path));
}

/**
 * Creates `path` with its content in one step: it appears complete, or not at all.
 *
 * The content goes to a nameless file first (O_TMPFILE, so that a kill leaves nothing), which linkat(2) then names.
 * Where the file system has none, a dot-file in the same directory takes its place.
 *
 * @throws SyscallError EEXIST where something has that name already
 */
export function createExclusive(path: string, data: string | Uint8Array, mode: number = 0o600): void {
  const directory = directoryOf(path);
  const bytes = toBytes(data);
  const fd = trySyscall('openat', AT.FDCWD, cstring(directory), O.TMPFILE | O.WRONLY | O.CLOEXEC, mode);
  if (fd >= 0) {
    using file = new OwnedFd(fd);
    writeAll(file.fd, bytes, path);
    const self = `/proc/self/fd/${file.fd}`;
    const linked = trySyscall('linkat', AT.FDCWD, cstring(self), AT.FDCWD, cstring(path), AT.SYMLINK_FOLLOW);
    if (linked === 0) return;
    // ENOENT: /proc is not mounted, or the directory was removed meanwhile. The other way tells which.
    if (linked !== -2) throw new SyscallError('linkat', -linked, path);
  }
  createThroughTemporary(path, bytes, mode);
}

/** As `createExclusive`, in the way that every file system knows. @throws SyscallError EEXIST */
export function createThroughTemporary(path: string, bytes: Uint8Array, mode: number): void {
  const temporary = temporaryName(path);
  try {
    {
      using file = openFile(temporary, O.WRONLY | O.CREAT | O.EXCL, mode);
      writeAll(file.fd, bytes, temporary);
    }
    link(temporary, path);
  } finally {
    // A failure here would hide what matters: whether there is a file now. A sweep (sweep.ts) takes what is left.
    trySyscall('unlinkat', AT.FDCWD, cstring(temporary), 0);
  }
}

/** Flushes a directory, so that names made or removed in it survive a power cut. */
export function fsyncDirectory(path: string): void {
  using directory = openFile(path, O.RDONLY | O.DIRECTORY);
  syscall('fsync', path, directory.fd);
}

/** Flushes a file's content, so that it survives a power cut. */
export function fsyncFile(path: string): void {
  using file = openFile(path, O.RDONLY);
  syscall('fsync', path, file.fd);
}

/** Removes a file's name. @throws SyscallError */
export function unlink(path: string): void {
  syscall('unlinkat', path, AT.FDCWD, cstring(path), 0);
}

/** Removes a file's name if it is there; tells whether it was. */
export function unlinkIfExists(path: string): boolean {
  const result = trySyscall('unlinkat', AT.FDCWD, cstring(path), 0);
  if (result === 0) return true;
  const error = new SyscallError('unlinkat', -result, path);
  if (isErrno(error, 'ENOENT', 'ENOTDIR')) return false;
  throw error;
}

/** Renames, replacing what is at `to`. @throws SyscallError */
export function rename(from: string, to: string): void {
  syscall('renameat2', `${from} → ${to}`, AT.FDCWD, cstring(from), AT.FDCWD, cstring(to), 0);
}

/** Gives the file `from` a second name. @throws SyscallError EEXIST */
export function link(from: string, to: string): void {
  syscall('linkat', to, AT.FDCWD, cstring(from), AT.FDCWD, cstring(to), 0);
}

/** Makes a symbolic link at `path` that holds `target`. @throws SyscallError EEXIST */
export function symlink(target: string, path: string): void {
  syscall('symlinkat', path, cstring(target), AT.FDCWD, cstring(path));
}

/** As `readlink`, but `undefined` where there is no such link. */
export function readlinkIfExists(path: string): string | undefined {
  const buffer = new Uint8Array(4096);
  const length = trySyscall('readlinkat', AT.FDCWD, cstring(path), buffer, buffer.length);
  if (length >= 0) return decoder.decode(buffer.subarray(0, length));
  const error = new SyscallError('readlinkat', -length, path);
  if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
  throw error;
}

/** Says that a file was changed last at that time, in whole seconds since the epoch. @throws SyscallError */
export function setMtime(path: string, seconds: number): void {
  // Two struct timespec (linux/time_types.h): the first, of the last access, is left as it is.
  const times = new BigUint64Array([0n, UTIME_OMIT, BigInt(seconds), 0n]);
  syscall('utimensat', path, AT.FDCWD, cstring(path), times, 0);
}

/** What a symbolic link holds. @throws SyscallError EINVAL where `path` is no link */
export function readlink(path: string): string {
  const buffer = new Uint8Array(4096);
  const length = syscall('readlinkat', path, AT.FDCWD, cstring(path), buffer, buffer.length);
  return decoder.decode(buffer.subarray(0, length));
}

/** Sets permission bits. @throws SyscallError */
export function chmod(path: string, mode: number): void {
  syscall('fchmodat', path, AT.FDCWD, cstring(path), mode);
}

/** Makes a directory and those above it that are missing; an existing one is left as it is. @throws SyscallError */
export function mkdirp(path: string, mode: number = 0o755): void {
  const result = trySyscall('mkdirat', AT.FDCWD, cstring(path), mode);
  if (result >= 0) return;
  if (-result === 2 && directoryOf(path) !== path) {
    mkdirp(directoryOf(path), mode);
    mkdirp(path, mode);
    return;
  }
  const error = new SyscallError('mkdirat', -result, path);
  if (!(isErrno(error, 'EEXIST') && exists(path))) throw error;
}

/** Removes an empty directory. @throws SyscallError ENOTEMPTY */
export function rmdir(path: string): void {
  syscall('unlinkat', path, AT.FDCWD, cstring(path), AT.REMOVEDIR);
}
