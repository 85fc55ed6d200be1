/**
 * Project quotas of XFS and ext4: files carry a number, what is made in a directory takes over the directory's, and all files of
 * a number together have a limit.
 *
 * Sources: include/uapi/linux/{fs,quota,dqblk_xfs}.h, the same on amd64 and arm64; fs/quota/quota.c. XFS understands the calls of
 * the other file systems' quotas as well, so these are used for both.
 */

import { errnoNumber, isErrno, SyscallError } from './errno.ts';
import type { Fd } from './fd.ts';
import { mountOf } from './mountinfo.ts';
import { readMounts } from './mounts.ts';
import { ioctl } from './socket.ts';
import { cstring, type SyscallArgument, syscall, trySyscall } from './syscall.ts';

const FS_IOC_FSGETXATTR = 0x801c581f;
const FS_IOC_FSSETXATTR = 0x401c5820;
/** struct fsxattr: xflags u32, extsize, nextents u32, projid u32 at 12, … */
const FSXATTR_SIZE = 28;
const FSXATTR_PROJECT = 12;
const FS_XFLAG_PROJINHERIT = 0x200;

const PRJQUOTA = 2;
const Q_GETQUOTA = 0x800007;
const Q_SETQUOTA = 0x800008;
const Q_XGETQSTATV = 0x5808;

/** struct if_dqblk: hard and soft limit in KiB, bytes in use, the same three of inodes, two times, what is valid. All u64. */
const DQBLK_SIZE = 72;
const QIF_BLIMITS = 1;

/** struct fs_quota_statv: version s8, pad, flags u16, … */
const STATV_SIZE = 160;
const STATV_VERSION = 1;
const FS_QUOTA_PDQ_ENFD = 0x20;

const ENOSYS = 38;

/** What is counted of a project. */
export interface ProjectUsage {
  readonly limitBytes: number;
  readonly usedBytes: number;
  readonly usedInodes: number;
}

/** Gives an open directory its number, and all that will be made in it. @throws SyscallError EOPNOTSUPP, ENOTTY, EINVAL */
export function setProject(directory: Fd, id: number, path: string): void {
  const attributes = new Uint8Array(FSXATTR_SIZE);
  const view = new DataView(attributes.buffer);
  ioctl(directory, FS_IOC_FSGETXATTR, attributes, path);
  view.setUint32(0, view.getUint32(0, true) | FS_XFLAG_PROJINHERIT, true);
  view.setUint32(FSXATTR_PROJECT, id, true);
  ioctl(directory, FS_IOC_FSSETXATTR, attributes, path);
}

/** An open file's number; 0 where it was given none. Whoever owns the file can change it. */
export function projectOf(file: Fd, path: string): number {
  const attributes = new Uint8Array(FSXATTR_SIZE);
  ioctl(file, FS_IOC_FSGETXATTR, attributes, path);
  return new DataView(attributes.buffer).getUint32(FSXATTR_PROJECT, true);
}

/** Whether limits of projects count in the file system that `path` is on. @throws SyscallError ENOSYS, ESRCH where it has none */
export function enforcesProjects(directory: Fd, path: string): boolean {
  const state = new Uint8Array(STATV_SIZE);
  state[0] = STATV_VERSION;
  control(Q_XGETQSTATV, directory, path, 0, state);
  return (new DataView(state.buffer).getUint16(2, true) & FS_QUOTA_PDQ_ENFD) !== 0;
}

/** What a project has in use. All 0 of one that was never heard of. */
export function projectUsage(directory: Fd, path: string, id: number): ProjectUsage {
  const block = new Uint8Array(DQBLK_SIZE);
  try {
    control(Q_GETQUOTA, directory, path, id, block);
  } catch (error) {
    // XFS: nothing is counted of it.
    if (isErrno(error, 'ENOENT')) return { limitBytes: 0, usedBytes: 0, usedInodes: 0 };
    throw error;
  }
  return decodeUsage(block);
}

/** Limits a project's bytes. @param bytes 0: no limit @throws SyscallError ESRCH where quotas are off */
export function limitProject(directory: Fd, path: string, id: number, bytes: number): void {
  control(Q_SETQUOTA, directory, path, id, encodeLimit(bytes));
}

/** The struct if_dqblk that sets a limit. */
export function encodeLimit(bytes: number): Uint8Array {
  const block = new Uint8Array(DQBLK_SIZE);
  const view = new DataView(block.buffer);
  view.setBigUint64(0, BigInt(Math.ceil(bytes / 1024)), true);
  view.setUint32(64, QIF_BLIMITS, true);
  return block;
}

/** What a struct if_dqblk says. */
export function decodeUsage(block: Uint8Array): ProjectUsage {
  const view = new DataView(block.buffer, block.byteOffset, block.length);
  return {
    limitBytes: Number(view.getBigUint64(0, true)) * 1024,
    usedBytes: Number(view.getBigUint64(16, true)),
    usedInodes: Number(view.getBigUint64(40, true)),
  };
}

/** By an open directory (Linux 5.14), else by the device that is mounted. @param path of the directory */
function control(command: number, directory: Fd, path: string, id: number, argument: SyscallArgument): void {
  // QCMD(): the command above, the type in the lowest byte.
  const cmd = command * 256 + PRJQUOTA;
  const result = trySyscall('quotactl_fd', directory, cmd, id, argument);
  if (result >= 0) return;
  if (-result !== ENOSYS) throw new SyscallError('quotactl', -result, path);
  const source = mountOf(readMounts(), path)?.source;
  if (!source?.startsWith('/')) throw new SyscallError('quotactl', errnoNumber('ENODEV'), path);
  syscall('quotactl', path, cmd, cstring(source), id, argument);
}
