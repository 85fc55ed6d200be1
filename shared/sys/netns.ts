/**
 * Network namespaces: open, create and pin, remove, and enter for a moment.
 *
 * setns(2) moves only the calling thread, and a thread that the runtime starts meanwhile is born in the new namespace
 * and stays there. So the window is synchronous and small: open a socket, read or write a sysctl, return. A netlink
 * socket keeps the namespace it was opened in.
 */

import { CLONE, FS_MAGIC, MNT, MS, O } from './constants.ts';
import { isErrno } from './errno.ts';
import type { OwnedFd } from './fd.ts';
import { mkdirp, openFile, unlinkIfExists } from './file.ts';
import { mount, setns, unmount, unshare } from './mount.ts';
import { exit } from './process.ts';
import { statfs } from './stat.ts';
import { trySyscall } from './syscall.ts';

const SELF = '/proc/thread-self/ns/net';

/** ioctl that tells a namespace descriptor's kind as a CLONE_* flag (include/uapi/linux/nsfs.h: _IO(0xb7, 3)). */
const NS_GET_NSTYPE = 0xb703;

/** The path names something that is no network namespace. */
export class NotNetnsError extends Error {
  override readonly name = 'NotNetnsError';
  readonly path: string;

  constructor(path: string) {
    super(`${path} is not a network namespace`);
    this.path = path;
  }
}

/**
 * Opens a network namespace by path, such as `/run/netns/x` or `/proc/<pid>/ns/net`.
 *
 * @throws SyscallError ENOENT and others of openat(2)
 * @throws NotNetnsError where the file is something else, for example what is left of a pin after a reboot
 */
export function openNetns(path: string): OwnedFd {
  const file = openFile(path, O.RDONLY);
  if (trySyscall('ioctl', file.fd, NS_GET_NSTYPE, 0) === CLONE.NEWNET) return file;
  file.close();
  throw new NotNetnsError(path);
}

/** The calling thread's network namespace. */
export function currentNetns(): OwnedFd {
  return openFile(SELF, O.RDONLY);
}

/** True if a namespace (of any kind) is pinned or linked at `path`; false on any error. */
export function isNetns(path: string): boolean {
  try {
    return statfs(path).type === FS_MAGIC.NSFS;
  } catch {
    return false;
  }
}

/**
 * Runs `fn` with the calling thread in namespace `ns`. Nothing in it may wait, spawn or import.
 *
 * If the way back fails the process ends: it must not go on in the wrong namespace.
 */
export function inNetns<T>(ns: OwnedFd, fn: () => T): T {
  using home = currentNetns();
  setns(ns.fd, CLONE.NEWNET);
  try {
    return fn();
  } finally {
    if (trySyscall('setns', home.fd, CLONE.NEWNET) < 0) exit(70);
  }
}

/**
 * Makes a network namespace and pins it at `path` by a bind mount, as `ip netns add` does.
 *
 * @throws SyscallError EEXIST where something is at `path`; nothing is left behind
 */
export function createNetns(path: string): void {
  mkdirp(path.slice(0, Math.max(1, path.lastIndexOf('/'))));
  openFile(path, O.RDONLY | O.CREAT | O.EXCL, 0o444).close();
  try {
    using home = currentNetns();
    unshare(CLONE.NEWNET);
    try {
      mount(SELF, path, 'none', MS.BIND);
    } finally {
      if (trySyscall('setns', home.fd, CLONE.NEWNET) < 0) exit(70);
    }
  } catch (error) {
    unlinkIfExists(path);
    throw error;
  }
}

/** Removes a pin made by `createNetns`; one that is gone already is fine. */
export function deleteNetns(path: string): void {
  try {
    unmount(path, MNT.DETACH);
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'EINVAL')) throw error;
  }
  unlinkIfExists(path);
}
