/** Kernel parameters under /proc/sys; those under `net` are of the calling thread's network namespace. */

import { O } from './constants.ts';
import { writeAll } from './fd.ts';
import { openFile, readTextIfExists } from './file.ts';

const path = (key: string): string => `/proc/sys/${key}`;

/** The value of a parameter such as `net/ipv4/ip_forward`, trimmed; `undefined` where the kernel has none. */
export function readSysctl(key: string): string | undefined {
  return readTextIfExists(path(key))?.trim();
}

/** Sets a parameter. @throws SyscallError ENOENT where the kernel has none, EROFS, EINVAL */
export function writeSysctl(key: string, value: string): void {
  using file = openFile(path(key), O.WRONLY);
  writeAll(file.fd, new TextEncoder().encode(value), path(key));
}

/** Sets a parameter that has another value; tells whether it had. */
export function ensureSysctl(key: string, value: string): boolean {
  if (readSysctl(key) === value) return false;
  writeSysctl(key, value);
  return true;
}
