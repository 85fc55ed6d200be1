/**
 * File systems that are made still: all is written out, and whoever writes waits until it is thawed. That outlives the process
 * which asked for it.
 */

import { O } from './constants.ts';
import { isErrno } from './errno.ts';
import type { Fd } from './fd.ts';
import { openFile } from './file.ts';
import { ioctl } from './socket.ts';
import { syscall } from './syscall.ts';

/** include/uapi/linux/fs.h: _IOWR('X', 119, int), _IOWR('X', 120, int). */
const FIFREEZE = 0xc0045877;
const FITHAW = 0xc0045878;

/** Freezes the file system that an open directory is on. @throws SyscallError EBUSY where it is frozen already, EOPNOTSUPP */
export function freeze(directory: Fd, path: string): void {
  ioctl(directory, FIFREEZE, 0, path);
}

/** Thaws it; false where it is not frozen. @throws SyscallError */
export function thaw(directory: Fd, path: string): boolean {
  try {
    ioctl(directory, FITHAW, 0, path);
    return true;
  } catch (error) {
    if (isErrno(error, 'EINVAL')) return false;
    throw error;
  }
}

/** As `thaw`, of the file system mounted at a path: what was left by who could not thaw it himself. */
export function thawAt(path: string): boolean {
  using directory = openFile(path, O.RDONLY | O.DIRECTORY);
  return thaw(directory.fd, path);
}

/** Writes out all that a file system holds back; blocks until it is done. @throws SyscallError EIO, ENOSPC, EDQUOT */
export function syncFilesystem(directory: Fd, path: string): void {
  syscall('syncfs', path, directory);
}
