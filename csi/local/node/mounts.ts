/** Bind mounts of what is staged, and their end: idempotent, whatever was cut off before. */

import { MNT, MS, O } from '../../../shared/sys/constants.ts';
import { isErrno } from '../../../shared/sys/errno.ts';
import { mkdirp, openFile, rmdir, unlink } from '../../../shared/sys/file.ts';
import { mount, unmount } from '../../../shared/sys/mount.ts';
import { mountFlags, PER_MOUNT } from '../../../shared/sys/mount-options.ts';
import { mountAt } from '../../../shared/sys/mountinfo.ts';
import { readMounts } from '../../../shared/sys/mounts.ts';
import { isDirectory, lstat } from '../../../shared/sys/stat.ts';
import { failedPrecondition } from '../../driver/status.ts';

/** True where something is mounted at that very path. */
export function isMountPoint(path: string): boolean {
  return mountAt(readMounts(), path) !== undefined;
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
 */
export function bind(source: string, target: string, readOnly: boolean, flags: readonly string[]): void {
  if (!isMountPoint(target)) mount(source, target, '', MS.BIND);
  const own = (mountFlags(flags).flags & PER_MOUNT) | (readOnly ? MS.RDONLY : 0);
  // A bind mount takes its source's options over, and its own only in a second step.
  if (own !== 0) mount('', target, '', MS.BIND | MS.REMOUNT | own | inherited(target));
}

/** What the mount has from its source: a remount that leaves it out would take it away, or be refused in a user namespace. */
function inherited(target: string): number {
  const { options = [] } = mountAt(readMounts(), target) ?? {};
  return mountFlags(options).flags & (MS.NOSUID | MS.NODEV | MS.NOEXEC | MS.RDONLY);
}

/**
 * Takes away whatever is mounted at a path, and the path itself, which has to be an empty directory or a file then: nothing in
 * it is ever removed.
 *
 * @param lazily a mount that is busy goes from the path at once, and from the kernel with its last user
 * @throws RpcError FAILED_PRECONDITION where it is in use, or something is in the directory
 */
export function takeAway(path: string, lazily: boolean): void {
  unmountAll(path, lazily);
  try {
    if (isDirectory(lstat(path))) rmdir(path);
    else unlink(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return;
    if (isErrno(error, 'ENOTEMPTY', 'EBUSY'))
      throw failedPrecondition(`${path} is not empty, and is left as it is`);
    throw error;
  }
}

/** As `takeAway`, but the path stays. */
export function unmountAll(path: string, lazily: boolean): void {
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
