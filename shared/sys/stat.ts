/** File metadata through statx(2), whose layout is the same on every architecture (include/uapi/linux/stat.h). */

import { AT, S_IF } from './constants.ts';
import { SyscallError } from './errno.ts';
import type { Fd } from './fd.ts';
import { cstring, syscall, trySyscall } from './syscall.ts';

/** What stat(2) tells of a file. Times in milliseconds since the epoch, sizes in bytes. */
export interface FileStat {
  readonly dev: number;
  readonly ino: bigint;
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** What the file takes on its file system: less than its size where it has holes. */
  readonly allocated: number;
  /** Something is mounted there; always false before Linux 5.8, which did not tell. */
  readonly isMountRoot: boolean;
  /** Of the mount that it was reached by, as in mountinfo.ts; 0 before Linux 5.8, which did not tell. */
  readonly mountId: number;
  readonly mtimeMs: number;
  /** Of a device file, the device, as mknod(2) takes it. */
  readonly rdev: number;
}

const STATX_SIZE = 256;
/** STATX_BASIC_STATS and STATX_MNT_ID. */
const STATX_WANTED = 0x17ff;
const STATX_MNT_ID = 0x1000;
const STATX_INO = 0x100;
const STATX_ATTR_MOUNT_ROOT = 0x2000;

const ENOENT = 2;

function decode(bytes: Uint8Array): FileStat {
  const view = new DataView(bytes.buffer);
  return {
    nlink: view.getUint32(0x10, true),
    uid: view.getUint32(0x14, true),
    gid: view.getUint32(0x18, true),
    mode: view.getUint16(0x1c, true),
    ino: view.getBigUint64(0x20, true),
    size: Number(view.getBigUint64(0x28, true)),
    // In blocks of 512 bytes, whatever the file system's are.
    allocated: Number(view.getBigUint64(0x30, true)) * 512,
    mountId: (view.getUint32(0, true) & STATX_MNT_ID) === 0 ? 0 : Number(view.getBigUint64(0x90, true)),
    isMountRoot: (view.getUint32(8, true) & STATX_ATTR_MOUNT_ROOT) !== 0,
    mtimeMs: Number(view.getBigInt64(0x70, true)) * 1000 + view.getUint32(0x78, true) / 1e6,
    rdev: encodeDevice(view.getUint32(0x80, true), view.getUint32(0x84, true)),
    dev: view.getUint32(0x88, true) * 2 ** 32 + view.getUint32(0x8c, true),
  };
}

/** new_encode_dev() of the kernel's include/linux/kdev_t.h. */
function encodeDevice(major: number, minor: number): number {
  return ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0;
}

/** An open file's times of last access and change of content, as utimensat(2) takes them: seconds, nanoseconds, twice. */
export function fstatTimes(fd: Fd): BigUint64Array {
  const buffer = new Uint8Array(STATX_SIZE);
  syscall('statx', `fd ${fd}`, fd, cstring(''), AT.EMPTY_PATH, STATX_WANTED, buffer);
  const view = new DataView(buffer.buffer);
  const at = (offset: number): bigint[] => [
    view.getBigUint64(offset, true),
    BigInt(view.getUint32(offset + 8, true)),
  ];
  return new BigUint64Array([...at(0x40), ...at(0x70)]);
}

function statx(at: number, path: string, flags: number, shown: string): FileStat {
  const buffer = new Uint8Array(STATX_SIZE);
  syscall('statx', shown, at, cstring(path), flags, STATX_WANTED, buffer);
  return decode(buffer);
}

/** Metadata of the file that `path` leads to, links followed. @throws SyscallError */
export function stat(path: string): FileStat {
  return statx(AT.FDCWD, path, 0, path);
}

/** Metadata of `path` itself, links not followed. @throws SyscallError */
export function lstat(path: string): FileStat {
  return statx(AT.FDCWD, path, AT.SYMLINK_NOFOLLOW, path);
}

/** As `lstat`, but `undefined` where there is no such file. */
export function lstatIfExists(path: string): FileStat | undefined {
  const buffer = new Uint8Array(STATX_SIZE);
  const result = trySyscall('statx', AT.FDCWD, cstring(path), AT.SYMLINK_NOFOLLOW, STATX_WANTED, buffer);
  if (result === 0) return decode(buffer);
  if (-result === ENOENT) return undefined;
  throw new SyscallError('statx', -result, path);
}

/** Metadata of an open file. @throws SyscallError */
export function fstat(fd: Fd | number): FileStat {
  return statx(fd, '', AT.EMPTY_PATH, `fd ${fd}`);
}

/**
 * True if both lead to the same file, links followed; a number is an open file. False where there is none at a path.
 * Compares inode and device as the kernel wrote them, which is what `stat` would spend most of its time on decoding.
 *
 * @throws SyscallError for any other failure
 */
export function isSameFile(one: string | Fd, other: string | Fd): boolean {
  const [a, b] = [identity(one), identity(other)];
  if (!a || !b) return false;
  for (let at = 0x20; at < 0x28; at++) if (a[at] !== b[at]) return false;
  for (let at = 0x88; at < 0x90; at++) if (a[at] !== b[at]) return false;
  return true;
}

function identity(file: string | Fd): Uint8Array | undefined {
  const buffer = new Uint8Array(STATX_SIZE);
  const result =
    typeof file === 'string'
      ? trySyscall('statx', AT.FDCWD, cstring(file), 0, STATX_INO, buffer)
      : trySyscall('statx', file, cstring(''), AT.EMPTY_PATH, STATX_INO, buffer);
  if (result === 0) return buffer;
  if (-result === ENOENT) return undefined;
  throw new SyscallError('statx', -result, String(file));
}

/** True if something is at `path`, a dangling link included; false on any error. */
export function exists(path: string): boolean {
  const buffer = new Uint8Array(STATX_SIZE);
  return trySyscall('statx', AT.FDCWD, cstring(path), AT.SYMLINK_NOFOLLOW, 1, buffer) === 0;
}

/** True if `stat.mode` says directory. */
export function isDirectory(file: FileStat): boolean {
  return (file.mode & S_IF.MT) === S_IF.DIR;
}

/** True if `stat.mode` says regular file. */
export function isRegular(file: FileStat): boolean {
  return (file.mode & S_IF.MT) === S_IF.REG;
}

/** True if `stat.mode` says symbolic link. */
export function isLink(file: FileStat): boolean {
  return (file.mode & S_IF.MT) === S_IF.LNK;
}

/** What statfs(2) tells of the file system that `path` is on; sizes in bytes. */
export interface FilesystemStat {
  /** One of FS_MAGIC, or another file system's magic number, unsigned. */
  readonly type: number;
  readonly blockSize: number;
  readonly size: number;
  readonly free: number;
  readonly available: number;
  /** Inodes, and how many of them are free; both 0 where the file system does not count them. */
  readonly inodes: number;
  readonly freeInodes: number;
}

/** Asks the file system of `path`. @throws SyscallError */
export function statfs(path: string): FilesystemStat {
  // struct statfs is eight-byte words on both architectures (include/uapi/asm-generic/statfs.h).
  const buffer = new Uint8Array(120);
  syscall('statfs', path, cstring(path), buffer);
  const view = new DataView(buffer.buffer);
  const blockSize = Number(view.getBigInt64(8, true));
  const blocks = (offset: number): number => Number(view.getBigUint64(offset, true)) * blockSize;
  return {
    type: view.getUint32(0, true),
    blockSize,
    size: blocks(16),
    free: blocks(24),
    available: blocks(32),
    inodes: Number(view.getBigUint64(40, true)),
    freeInodes: Number(view.getBigUint64(48, true)),
  };
}
