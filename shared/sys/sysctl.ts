/** Kernel parameters under /proc/sys; those under `net` are of the calling thread's network namespace. */

import { AT, O } from './constants.ts';
import { isErrno, SyscallError } from './errno.ts';
import { OwnedFd, readAll, writeAll } from './fd.ts';
import { mountDetached } from './mount.ts';
import { exists } from './stat.ts';
import { cstring, trySyscall } from './syscall.ts';

/** Where parameters are looked up: a directory, and what leads from it to them. */
interface View {
  readonly directory: number;
  readonly prefix: string;
}

const usual: View = { directory: AT.FDCWD, prefix: '/proc/sys/' };
let view = usual;

/** Errors name the usual path, whichever way it was looked up. */
const pathOf = (key: string): string => usual.prefix + key;

/** @param directory where parameters are, in place of the view that rules */
function open(key: string, flags: number, directory?: string): OwnedFd {
  const [from, path] =
    directory === undefined ? [view.directory, view.prefix + key] : [AT.FDCWD, `${directory}/${key}`];
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

/** Milliseconds: what a procfs of one's own costs, nearly all of it to take it away again. */
const ownProcMs = 0.09;

/**
 * True where a look-up under `net` takes longer than a procfs of one's own.
 *
 * Every network namespace in which somebody looked has a directory entry for `net` of its own, all of one name and one
 * parent, so that the kernel finds them in one hash chain and goes through it (fs/proc/proc_sysctl.c, proc_sys_compare):
 * with 1,000 of them for a millisecond.
 */
export function sysctlsAreSlow(): boolean {
  const start = performance.now();
  exists(pathOf('net'));
  return performance.now() - start > ownProcMs;
}

/**
 * Runs `work`, for which parameters are looked up in a procfs of its own, whose entries are nobody else's and do not
 * lengthen the chain for others. As before where the kernel or a seccomp filter does not let one be made.
 */
export function withOwnSysctls<T>(work: () => T): T {
  using proc = mountDetached('proc');
  if (!proc) return work();
  view = { directory: proc.fd, prefix: 'sys/' };
  try {
    return work();
  } finally {
    view = usual;
  }
}
