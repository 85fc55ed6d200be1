/** Kernel parameters under /proc/sys; those under `net` are of the calling thread's network namespace. */

import { AT, O } from './constants.ts';
import { isErrno, SyscallError } from './errno.ts';
import { OwnedFd, readAll, writeAll } from './fd.ts';
import { mountDetached } from './mount.ts';
import { cstring, trySyscall } from './syscall.ts';

/** Where parameters are looked up: a directory, and what leads from it to them. */
interface View {
  readonly directory: number;
  readonly prefix: string;
}

const usual: View = { directory: AT.FDCWD, prefix: '/proc/sys/' };
/** `own` until somebody looks, and then what could be had. */
let view: View | 'own' = usual;

/** Errors name the usual path, whichever way it was looked up. */
const pathOf = (key: string): string => usual.prefix + key;

/** @param directory where parameters are, in place of the view that rules */
function open(key: string, flags: number, directory?: string): OwnedFd {
  const { directory: from, prefix } =
    directory === undefined ? currentView() : { directory: AT.FDCWD, prefix: `${directory}/` };
  const path = prefix + key;
  const fd = trySyscall('openat', from, cstring(path), flags | O.CLOEXEC, 0);
  if (fd < 0) throw new SyscallError('openat', -fd, directory === undefined ? pathOf(key) : path);
  return new OwnedFd(fd);
}

/**
 * The value of a parameter such as `net/ipv4/ip_forward`, trimmed; `undefined` where the kernel has none.
 *
 * @param directory another mount of /proc/sys, or of /proc/sys/net at its place below this
 */
export function readSysctl(key: string, directory?: string): string | undefined {
  try {
    using file = open(key, O.RDONLY, directory);
    return new TextDecoder().decode(readAll(file.fd, Number.MAX_SAFE_INTEGER, pathOf(key))).trim();
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

/**
 * Sets a parameter; an empty value as a line end, as a write of no bytes changes nothing.
 *
 * @param directory as for readSysctl
 * @throws SyscallError ENOENT where the kernel has none, EROFS, EINVAL
 */
export function writeSysctl(key: string, value: string, directory?: string): void {
  using file = open(key, O.WRONLY, directory);
  writeAll(file.fd, new TextEncoder().encode(value || '\n'), pathOf(key));
}

/** Sets a parameter that has another value; tells whether it had. */
export function ensureSysctl(key: string, value: string): boolean {
  if (readSysctl(key) === value) return false;
  writeSysctl(key, value);
  return true;
}

/**
 * From now on parameters are looked up in a procfs of this process's own, made at the first look: for a process that makes
 * one CNI call. As before where the kernel or a seccomp filter does not let one be made.
 *
 * Every network namespace in which somebody looked at `net/ipv4` or `net/ipv6` has a directory entry of that name, all of
 * one parent, so that the kernel finds them in one hash chain and goes through it (fs/proc/proc_sysctl.c,
 * proc_sys_compare): on a node of 1,000 pods 1.5 ms for the first look, and 0.1 ms for each that follows. A procfs of
 * one's own costs 0.06 ms, nearly all of it to take it away again, and lengthens nobody's chain.
 *
 * @returns what goes back to the usual look-ups; the end of the process does as well
 */
export function useOwnSysctls(): Disposable {
  const before = view;
  view = 'own';
  return {
    [Symbol.dispose](): void {
      if (view !== 'own' && view !== usual) trySyscall('close', view.directory);
      view = before;
    },
  };
}

function currentView(): View {
  if (view === 'own') {
    const proc = mountDetached('proc');
    view = proc ? { directory: proc.fd, prefix: 'sys/' } : usual;
  }
  return view;
}
