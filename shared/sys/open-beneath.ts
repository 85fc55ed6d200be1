/** Opens what is in a directory, and nothing else, however hostile the names and links in it are: openat2(2), Linux 5.6. */

import { O } from './constants.ts';
import { type Fd, OwnedFd } from './fd.ts';
import { cstring, syscall } from './syscall.ts';

/** include/uapi/linux/openat2.h */
const RESOLVE = { NO_XDEV: 1, NO_MAGICLINKS: 2, NO_SYMLINKS: 4, BENEATH: 8 } as const;

/** struct open_how: flags, mode, resolve, each u64. */
const HOW_SIZE = 24;

/** @param name its bytes; a NUL is put behind them @throws SyscallError EINVAL where it holds one itself */
export function nameBytes(name: Uint8Array | string): Uint8Array {
  if (typeof name === 'string') return cstring(name);
  const bytes = new Uint8Array(name.length + 1);
  bytes.set(name);
  return bytes;
}

/**
 * Opens `name` (which may be a path) beneath an open directory, close-on-exec. No component of it may be a link, lead out by
 * `..`, or be another mount.
 *
 * @param shown for the error's message
 * @throws SyscallError ELOOP for a link, EXDEV for what leads out or is mounted there, and those of openat(2)
 */
export function openBeneath(
  directory: Fd,
  name: Uint8Array | string,
  flags: number,
  shown: string,
  mode: number = 0,
): OwnedFd {
  const how = new Uint8Array(HOW_SIZE);
  const view = new DataView(how.buffer);
  view.setBigUint64(0, BigInt(flags | O.CLOEXEC), true);
  view.setBigUint64(8, BigInt(mode), true);
  const resolve = RESOLVE.BENEATH | RESOLVE.NO_SYMLINKS | RESOLVE.NO_MAGICLINKS | RESOLVE.NO_XDEV;
  view.setBigUint64(16, BigInt(resolve), true);
  return new OwnedFd(syscall('openat2', shown, directory, nameBytes(name), how, HOW_SIZE));
}
