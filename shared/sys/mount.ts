/** Mounts and namespaces of the calling thread. */

import { type Fd, OwnedFd } from './fd.ts';
import { cstring, syscall, trySyscall } from './syscall.ts';

/** mount(2). @param flags a union of `MS.*` @throws SyscallError with the target as path */
export function mount(
  source: string,
  target: string,
  fstype: string,
  flags: number,
  data: string = '',
): void {
  syscall(
    'mount',
    target,
    cstring(source),
    cstring(target),
    cstring(fstype),
    flags,
    data ? cstring(data) : null,
  );
}

/** umount2(2). @param flags a union of `MNT.*` @throws SyscallError */
export function unmount(target: string, flags: number = 0): void {
  syscall('umount2', target, cstring(target), flags);
}

/** Gives the calling thread new namespaces. @param flags a union of `CLONE.*` @throws SyscallError */
export function unshare(flags: number): void {
  syscall('unshare', undefined, flags);
}

/** Moves the calling thread into a namespace. @param type one of `CLONE.*`, or 0 for any @throws SyscallError */
export function setns(fd: Fd | number, type: number): void {
  syscall('setns', undefined, fd, type);
}

/** FSOPEN_CLOEXEC, FSMOUNT_CLOEXEC and FSCONFIG_CMD_CREATE of include/uapi/linux/mount.h. */
const CLOEXEC = 1;
const CMD_CREATE = 6;

/**
 * A new file system of a kind without a source, mounted nowhere: reached by the descriptor alone, and gone with it.
 * `undefined` where that cannot be had: before Linux 5.2, without CAP_SYS_ADMIN, or behind a seccomp filter.
 */
export function mountDetached(fstype: string): OwnedFd | undefined {
  const context = trySyscall('fsopen', cstring(fstype), CLOEXEC);
  if (context < 0) return undefined;
  const made = trySyscall('fsconfig', context, CMD_CREATE, null, null, 0);
  const fd = made < 0 ? made : trySyscall('fsmount', context, CLOEXEC, 0);
  trySyscall('close', context);
  return fd < 0 ? undefined : new OwnedFd(fd);
}
