/** Room for a file's data, taken before anything is written, and data that two files share. */

import { isErrno, SyscallError } from './errno.ts';
import type { Fd } from './fd.ts';
import { ioctl } from './socket.ts';
import { syscall, trySyscall } from './syscall.ts';

/** include/uapi/linux/fs.h: _IOW(0x94, 9, int). */
const FICLONE = 0x40049409;

/** lseek(2), include/uapi/linux/fs.h. */
const SEEK_DATA = 3;
const SEEK_HOLE = 4;

const ENXIO = 6;

/**
 * Takes room for a range of a file, which reads as zeros where nothing was written, and makes the file as long as that.
 * What is there already stays. Blocks for about 4 ms a GiB on ext4.
 *
 * @throws SyscallError ENOSPC, EDQUOT; EOPNOTSUPP where the file system cannot
 */
export function allocate(fd: Fd, offset: number, length: number, path: string): void {
  syscall('fallocate', path, fd, 0, offset, length);
}

/** Makes a file as long as that: what is behind is cut off, what is missing is a hole. @throws SyscallError */
export function truncate(fd: Fd, length: number, path: string): void {
  syscall('ftruncate', path, fd, length);
}

/**
 * Has `target` share all data of `source` (a reflink), in one step: whatever is written to either afterwards is its own. Takes
 * longer the more extents the file has.
 *
 * @returns false where the file system cannot, or the two are on different ones
 * @throws SyscallError ENOSPC and others
 */
export function reflink(source: Fd, target: Fd, path: string): boolean {
  try {
    ioctl(target, FICLONE, source, path);
    return true;
  } catch (error) {
    // EINVAL: of file systems that have the call but not for such files; ENOTTY: of those that have never heard of it.
    if (isErrno(error, 'EOPNOTSUPP', 'ENOTTY', 'EXDEV', 'EINVAL', 'ENOSYS')) return false;
    throw error;
  }
}

/** A stretch of a file that holds data; the end is not part of it. */
export interface DataRange {
  readonly start: number;
  readonly end: number;
}

/**
 * The first data at `offset` or behind it; undefined where only holes follow. Room that was allocated and not written counts as a
 * hole on most file systems. One that cannot tell says that all is data.
 */
export function nextData(fd: Fd, offset: number, path: string): DataRange | undefined {
  const start = trySyscall('lseek', fd, offset, SEEK_DATA);
  if (start === -ENXIO) return undefined;
  if (start < 0) throw new SyscallError('lseek', -start, path);
  return { start, end: syscall('lseek', path, fd, start, SEEK_HOLE) };
}
