/** Mounts and namespaces of the calling thread. */

import type { Fd } from './fd.ts';
import { cstring, syscall } from './syscall.ts';

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
