/** What a file has beside its content: owner, permissions, extended attributes, times. */

import { AT } from './constants.ts';
import { SyscallError } from './errno.ts';
import type { Fd } from './fd.ts';
import { fstat, fstatTimes } from './stat.ts';
import { cstring, syscall, trySyscall } from './syscall.ts';

/** include/uapi/linux/limits.h: XATTR_LIST_MAX, XATTR_SIZE_MAX. */
const MAX = 65536;

const EOPNOTSUPP = 95;
const ENODATA = 61;

/** Permissions without the file's type. */
const PERMISSIONS = 0o7777;

/** Gives `target` what `source` has; both are files or directories open for reading or writing. @throws SyscallError */
export function copyMetadata(source: Fd, target: Fd, path: string): void {
  const { uid, gid, mode } = fstat(source);
  syscall('fchownat', path, target, cstring(''), uid, gid, AT.EMPTY_PATH);
  // After the owner: changing that takes setuid bits away, and capabilities, which are an attribute.
  syscall('fchmod', path, target, mode & PERMISSIONS);
  copyAttributes(source, target, path);
  copyTimes(source, target, path);
}

/** Last: all else changes them. */
export function copyTimes(source: Fd, target: Fd, path: string): void {
  syscall('utimensat', path, target, null, fstatTimes(source), 0);
}

/** Access control lists and security labels included. What the target's file system has no place for is left out. */
function copyAttributes(source: Fd, target: Fd, path: string): void {
  const list = new Uint8Array(MAX);
  const length = trySyscall('flistxattr', source, list, list.length);
  if (length === -EOPNOTSUPP || length === 0) return;
  if (length < 0) throw new SyscallError('flistxattr', -length, path);
  const value = new Uint8Array(MAX);
  for (let start = 0; start < length; ) {
    const end = list.indexOf(0, start);
    // With its NUL, as the calls want it.
    const name = list.slice(start, end + 1);
    start = end + 1;
    const size = trySyscall('fgetxattr', source, name, value, value.length);
    // Removed since.
    if (size === -ENODATA) continue;
    if (size < 0) throw new SyscallError('fgetxattr', -size, path);
    const set = trySyscall('fsetxattr', target, name, value, size, 0);
    if (set < 0 && set !== -EOPNOTSUPP) throw new SyscallError('fsetxattr', -set, path);
  }
}
