/** Attributes of inodes that chattr(1) sets. Numbers: include/uapi/linux/fs.h, the same on amd64 and arm64. */

import type { Fd } from './fd.ts';
import { ioctl } from './socket.ts';

/** _IOR('f', 1, long), _IOW('f', 2, long); what is read and written is an int all the same. */
const FS_IOC_GETFLAGS = 0x80086601;
const FS_IOC_SETFLAGS = 0x40086602;

/** btrfs: written in place, without checksums. */
const FS_NOCOW_FL = 0x00800000;

/**
 * Has btrfs write an empty file in place, which keeps the room that was taken for it in advance. A reflink works between two such
 * files, or two others, only.
 *
 * @throws SyscallError EOPNOTSUPP, ENOTTY on other file systems
 */
export function writeInPlace(file: Fd, path: string): void {
  const flags = new Int32Array(2);
  const bytes = new Uint8Array(flags.buffer);
  ioctl(file, FS_IOC_GETFLAGS, bytes, path);
  flags[0] = (flags[0] ?? 0) | FS_NOCOW_FL;
  ioctl(file, FS_IOC_SETFLAGS, bytes, path);
}
