/** Mounts a volume at a directory, once. */

import { realpathSync } from 'node:fs';
import { MS } from '../../../shared/sys/constants.ts';
import { errnoNumber, SyscallError } from '../../../shared/sys/errno.ts';
import { mount } from '../../../shared/sys/mount.ts';
import { mountFlags, PER_MOUNT } from '../../../shared/sys/mount-options.ts';
import { type MountEntry, mountAt } from '../../../shared/sys/mountinfo.ts';
import { readMounts } from '../../../shared/sys/mounts.ts';
import { isSameFile, stat, statfs } from '../../../shared/sys/stat.ts';
import type { MountOptions, Usage } from './backend.ts';

/** What is mounted at a directory; undefined where nothing is, which takes no look at the whole list. */
export function mountedAt(target: string): MountEntry | undefined {
  if (!stat(target).isMountRoot) return undefined;
  // The kernel lists it where links lead: the kubelet's directory may be one.
  return mountAt(readMounts(), realpathSync(target));
}

/**
 * Mounts a device, unless it is mounted there.
 *
 * @throws SyscallError EBUSY where something else is mounted there; those of mount(2)
 */
export function mountDevice(
  device: string,
  target: string,
  fsType: string,
  options: readonly string[],
): void {
  const there = mountedAt(target);
  if (there?.source === device) return;
  if (there) throw busy(target, there);
  const { flags, data } = mountFlags(options);
  mount(device, target, fsType, flags, data.join(','));
}

/**
 * Mounts a directory at another, unless it is there. Its file system is the pool's, and so are the options of that: a mount has
 * its own only of those that say what may be done through it.
 *
 * @throws SyscallError EBUSY where something else is mounted there; EINVAL for other options
 */
export function mountDirectory(source: string, target: string, options: MountOptions): void {
  const { flags, data } = mountFlags([...options.flags, ...(options.readOnly ? ['ro'] : [])]);
  const other = data[0] ?? ((flags & ~PER_MOUNT) === 0 ? undefined : 'one of the file system');
  if (other !== undefined)
    throw new SyscallError('mount', errnoNumber('EINVAL'), `${target} (option ${other})`);
  const there = mountedAt(target);
  if (there && !isSameFile(source, target)) throw busy(target, there);
  if (!there) mount(source, target, 'none', MS.BIND);
  // A bind mount takes its flags in a second step; whoever was killed before it takes it now.
  if (flags !== 0) mount('none', target, 'none', MS.BIND | MS.REMOUNT | flags);
}

/** Where a directory of a pool is mounted a second time; undefined: nowhere. */
export function mountOfDirectory(path: string): string | undefined {
  // As seen from the top of their file system, which may be any directory above the pool.
  const [volume, data] = path.split('/').slice(-2);
  const end = `/${volume}/${data}`;
  return readMounts().find(({ root, target }) => root.endsWith(end) && isSameFile(path, target))?.target;
}

function busy(target: string, { source }: MountEntry): SyscallError {
  return new SyscallError('mount', errnoNumber('EBUSY'), `${target} (${source} is mounted there)`);
}

/** What statfs(2) says of a mounted file system. */
export function usageOf(target: string): Usage {
  const { size, free, available, inodes, freeInodes } = statfs(target);
  return {
    totalBytes: size,
    usedBytes: size - free,
    availableBytes: available,
    totalInodes: inodes,
    usedInodes: inodes - freeInodes,
    availableInodes: freeInodes,
  };
}
