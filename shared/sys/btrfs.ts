/**
 * Subvolumes of btrfs and what they may hold.
 *
 * Numbers and layouts: include/uapi/linux/btrfs.h and btrfs_tree.h, the same on amd64 and arm64.
 */

import { isErrno } from './errno.ts';
import type { Fd } from './fd.ts';
import { ioctl } from './socket.ts';
import { fstat } from './stat.ts';

const SUBVOL_CREATE = 0x5000940e;
const SNAP_DESTROY = 0x5000940f;
const TREE_SEARCH = 0xd0009411;
const INO_LOOKUP = 0xd0009412;
const QUOTA_CTL = 0xc0109428;
const QGROUP_CREATE = 0x4010942a;
const QGROUP_LIMIT = 0x8030942b;

/** struct btrfs_ioctl_vol_args: fd s64, name[4088]; the search's and the lookup's arguments have that size as well. */
const ARGS_SIZE = 4096;
const NAME_OFFSET = 8;

/** BTRFS_FIRST_FREE_OBJECTID: the inode number of every subvolume's root. */
const FIRST_FREE = 256n;

const QUOTA_TREE = 8n;
const QGROUP_STATUS_KEY = 240;
const QGROUP_INFO_KEY = 242;
const QGROUP_LIMIT_KEY = 244;

const BTRFS_QUOTA_CTL_ENABLE_SIMPLE_QUOTA = 4n;

/** BTRFS_QGROUP_STATUS_FLAG_ON, BTRFS_QGROUP_LIMIT_MAX_RFER */
const STATUS_ON = 1n;
const LIMIT_MAX_RFER = 1n;

/** struct btrfs_ioctl_search_key, and behind each found key its header. */
const SEARCH_KEY_SIZE = 104;
const SEARCH_HEADER_SIZE = 32;

const U64_MAX = 0xffff_ffff_ffff_ffffn;

/** Makes an empty subvolume in an open directory. @param name without a slash @throws SyscallError EEXIST */
export function createSubvolume(parent: Fd, name: string): void {
  ioctl(parent, SUBVOL_CREATE, nameArgs(new TextEncoder().encode(name)), name);
}

/** True if an open directory is a subvolume's root. Only of btrfs: elsewhere such numbers mean nothing. */
export function isSubvolume(directory: Fd): boolean {
  return fstat(directory).ino === FIRST_FREE;
}

/** Removes a subvolume with all that is in it; false where others lie in it. @throws SyscallError */
export function destroySubvolume(parent: Fd, name: Uint8Array): boolean {
  try {
    ioctl(parent, SNAP_DESTROY, nameArgs(name), 'a subvolume');
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOTEMPTY')) return false;
    throw error;
  }
}

/** The number of the subvolume that an open directory is in. */
export function subvolumeId(directory: Fd): bigint {
  const args = new Uint8Array(ARGS_SIZE);
  const view = new DataView(args.buffer);
  view.setBigUint64(8, FIRST_FREE, true);
  ioctl(directory, INO_LOOKUP, args, 'a subvolume');
  return view.getBigUint64(0, true);
}

/** How much a subvolume may refer to; undefined: no limit. @throws SyscallError ENOTCONN, ENOENT, EINVAL where quotas are off */
export function limitSubvolume(directory: Fd, id: bigint, bytes: number | undefined): void {
  const args = new Uint8Array(48);
  const view = new DataView(args.buffer);
  view.setBigUint64(0, id, true);
  view.setBigUint64(8, LIMIT_MAX_RFER, true);
  // All ones takes a limit away: CLEAR_VALUE of the kernel's qgroup.c.
  view.setBigUint64(16, bytes === undefined ? U64_MAX : BigInt(bytes), true);
  ioctl(directory, QGROUP_LIMIT, args, `the limit of subvolume ${id}`);
}

/** Forgets what was counted of a subvolume that is gone; false where the kernel still needs it, or does so by itself. */
export function forgetSubvolume(directory: Fd, id: bigint): boolean {
  const args = new Uint8Array(16);
  new DataView(args.buffer).setBigUint64(8, id, true);
  try {
    ioctl(directory, QGROUP_CREATE, args, `what is counted of subvolume ${id}`);
    return true;
  } catch (error) {
    if (isErrno(error, 'EBUSY', 'ENOENT', 'ENOTCONN', 'EINVAL')) return false;
    throw error;
  }
}

/**
 * Turns simple quotas on, which cost less: what a snapshot shares with its source is counted of the source alone.
 *
 * @throws SyscallError EINVAL, EOPNOTSUPP before Linux 6.7
 */
export function enableSimpleQuotas(directory: Fd): void {
  const args = new Uint8Array(16);
  new DataView(args.buffer).setBigUint64(0, BTRFS_QUOTA_CTL_ENABLE_SIMPLE_QUOTA, true);
  ioctl(directory, QUOTA_CTL, args, 'simple quotas');
}

/** Whether quotas are on in the file system of an open directory. */
export function hasQuotas(directory: Fd): boolean {
  const status = search(directory, QGROUP_STATUS_KEY, 0n);
  return status !== undefined && (status.getBigUint64(16, true) & STATUS_ON) !== 0n;
}

/** Bytes that a subvolume refers to, as of the last commit, and may at most. */
export interface SubvolumeUsage {
  readonly used: number;
  /** Of these, what no other subvolume refers to. */
  readonly own: number;
  readonly limit: number | undefined;
}

/** undefined where quotas are off, or nothing is counted of it. */
export function subvolumeUsage(directory: Fd, id: bigint): SubvolumeUsage | undefined {
  const info = search(directory, QGROUP_INFO_KEY, id);
  if (!info) return undefined;
  const limit = search(directory, QGROUP_LIMIT_KEY, id);
  const limited = limit !== undefined && (limit.getBigUint64(0, true) & LIMIT_MAX_RFER) !== 0n;
  return {
    used: Number(info.getBigUint64(8, true)),
    own: Number(info.getBigUint64(24, true)),
    limit: limited ? Number(limit.getBigUint64(8, true)) : undefined,
  };
}

/** An item of the quota tree. */
function search(directory: Fd, type: number, qgroup: bigint): DataView | undefined {
  const args = new Uint8Array(ARGS_SIZE);
  const view = new DataView(args.buffer);
  view.setBigUint64(0, QUOTA_TREE, true);
  // Object ids from 0 to 0, offsets from and to the one, of any transaction.
  view.setBigUint64(24, qgroup, true);
  view.setBigUint64(32, qgroup, true);
  view.setBigUint64(48, U64_MAX, true);
  view.setUint32(56, type, true);
  view.setUint32(60, type, true);
  view.setUint32(64, 1, true);
  try {
    ioctl(directory, TREE_SEARCH, args, 'the quota tree');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
  if (view.getUint32(64, true) === 0) return undefined;
  return new DataView(args.buffer, SEARCH_KEY_SIZE + SEARCH_HEADER_SIZE);
}

function nameArgs(name: Uint8Array): Uint8Array {
  const args = new Uint8Array(ARGS_SIZE);
  args.set(name.subarray(0, ARGS_SIZE - NAME_OFFSET - 1), NAME_OFFSET);
  return args;
}
