/** Bind mounts of what is staged, and their end: idempotent, whatever was cut off before. */

import { isRpcError } from '../../../shared/grpc/error.ts';
import { MNT, MS, O } from '../../../shared/sys/constants.ts';
import { isErrno } from '../../../shared/sys/errno.ts';
import { mkdirp, openFile, rmdir, unlink } from '../../../shared/sys/file.ts';
import { mount, unmount } from '../../../shared/sys/mount.ts';
import { mountFlags, PER_MOUNT } from '../../../shared/sys/mount-options.ts';
import { mountAt } from '../../../shared/sys/mountinfo.ts';
import { readMounts } from '../../../shared/sys/mounts.ts';
import { isDirectory, isRegular, isSameFile, lstat, stat } from '../../../shared/sys/stat.ts';
import { failedPrecondition } from '../../driver/status.ts';
import { mountedAt } from '../backends/mounting.ts';

/** True where something is mounted at that path, whatever links lead there: the kubelet's directory may be one. */
export function isMountPoint(path: string): boolean {
  try {
    return stat(path).isMountRoot;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG')) return false;
    // The file system that is mounted there does not answer.
    return mountAt(readMounts(), path) !== undefined;
  }
}

/** Makes a directory to mount at, with those above it. @throws SyscallError */
export function makeDirectory(path: string): void {
  mkdirp(path, 0o750);
}

/** Makes an empty file that a device can be mounted on. @throws SyscallError */
export function makeFile(path: string): void {
  mkdirp(path.slice(0, Math.max(1, path.lastIndexOf('/'))), 0o750);
  openFile(path, O.RDWR | O.CREAT | O.NOFOLLOW, 0o600).close();
}

/**
 * Mounts a directory or a device at a second place, with options of that place alone. One that is mounted there already is only
 * brought to those options.
 *
 * @throws RpcError FAILED_PRECONDITION where something else is mounted there
 */
export function bind(source: string, target: string, readOnly: boolean, flags: readonly string[]): void {
  if (!isMountPoint(target)) mount(source, target, '', MS.BIND);
  else if (!isSameFile(source, target)) throw failedPrecondition(`something else is mounted at ${target}`);
  const own = (mountFlags(flags).flags & PER_MOUNT) | (readOnly ? MS.RDONLY : 0);
  // A bind mount takes its source's options over, and its own only in a second step.
  if (own !== 0) mount('', target, '', MS.BIND | MS.REMOUNT | own | inherited(target));
}

/** What the mount has from its source: a remount that leaves it out would take it away, or be refused in a user namespace. */
function inherited(target: string): number {
  const { options = [] } = mountedAt(target) ?? {};
  return mountFlags(options).flags & (MS.NOSUID | MS.NODEV | MS.NOEXEC | MS.RDONLY);
}

/**
 * Takes away whatever is mounted at a path, and the path itself, which has to be an empty directory or an empty file then:
 * nothing in it is ever removed.
 *
 * @param lazily a mount that is busy goes from the path at once, and from the kernel with its last user
 * @throws RpcError FAILED_PRECONDITION where it is in use, or something is in the directory
 */
export function takeAway(path: string, lazily: boolean): void {
  unmountAll(path, lazily);
  try {
    const there = lstat(path);
    if (isDirectory(there)) rmdir(path);
    else if (isRegular(there) && there.size === 0) unlink(path);
    else throw failedPrecondition(`${path} is not what a volume is mounted at, and is left as it is`);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return;
    if (isErrno(error, 'ENOTEMPTY', 'EBUSY'))
      throw failedPrecondition(`${path} is not empty, and is left as it is`);
    throw error;
  }
}

/** How long a mount that is busy is tried again, in ms, and how often. */
const BUSY_MS = 1000;
const PAUSE_MS = 10;

/**
 * As `takeAway` without force, but the path stays. A child that this driver starts for another volume has, until it is the other
 * program, a copy of every open file, those in this mount included: what is busy is tried again for a moment.
 *
 * @throws RpcError FAILED_PRECONDITION where it is in use
 */
export async function unmountPatiently(path: string): Promise<void> {
  for (let left = BUSY_MS; ; left -= PAUSE_MS) {
    try {
      unmountAll(path, false);
      return;
    } catch (error) {
      if (left <= 0 || !isRpcError(error, 'FAILED_PRECONDITION')) throw error;
    }
    await Bun.sleep(PAUSE_MS);
  }
}

/** As `takeAway`, but the path stays. */
function unmountAll(path: string, lazily: boolean): void {
  while (isMountPoint(path)) {
    try {
      unmount(path, MNT.NOFOLLOW | (lazily ? MNT.DETACH : 0));
    } catch (error) {
      if (isErrno(error, 'EINVAL')) return;
      if (isErrno(error, 'EBUSY')) throw failedPrecondition(`${path} is still in use`);
      throw error;
    }
  }
}
