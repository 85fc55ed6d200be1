/**
 * The one way into the kernel: libc's `syscall`, loaded through bun:ffi.
 *
 * A single symbol instead of one a call, because each symbol that dlopen binds costs ~7 µs at start and a CNI call
 * lives 5 ms. Every argument is declared `ptr`: Bun passes numbers as they are (negative ones sign-extended) and the
 * address of a typed array at the moment of the call. Pointers are never kept: a cached one goes stale once the
 * caller is compiled (oven-sh/bun #32054).
 *
 * glibc's `syscall` sets errno per thread; it must be read on the line after the call.
 */

import { dlopen, FFIType, read } from 'bun:ffi';
import { SyscallError } from './errno.ts';

/** An argument of a system call: an integer, or memory that the kernel reads or writes during the call. */
export type SyscallArgument = number | Uint8Array | Int32Array | BigUint64Array | null;

const library = dlopen('libc.so.6', {
  syscall: {
    args: [FFIType.i32, FFIType.ptr, FFIType.ptr, FFIType.ptr, FFIType.ptr, FFIType.ptr, FFIType.ptr],
    returns: FFIType.i64_fast,
  },
  __errno_location: { args: [], returns: FFIType.ptr },
});

type Raw = (
  number: number,
  a: SyscallArgument,
  b: SyscallArgument,
  c: SyscallArgument,
  d: SyscallArgument,
  e: SyscallArgument,
  f: SyscallArgument,
) => number;

const raw = library.symbols.syscall as unknown as Raw;
const errnoAddress = library.symbols.__errno_location();
if (errnoAddress === null) throw new Error('libc.so.6: __errno_location returned null');

const EINTR = 4;

/** System call numbers: arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h (arm64). */
const numbers = {
  read: [0, 63],
  write: [1, 64],
  close: [3, 57],
  lseek: [8, 62],
  ioctl: [16, 29],
  madvise: [28, 233],
  nanosleep: [35, 101],
  getpid: [39, 172],
  socket: [41, 198],
  connect: [42, 203],
  sendto: [44, 206],
  recvfrom: [45, 207],
  bind: [49, 200],
  getsockname: [51, 204],
  setsockopt: [54, 208],
  getsockopt: [55, 209],
  kill: [62, 129],
  uname: [63, 160],
  flock: [73, 32],
  fsync: [74, 82],
  fdatasync: [75, 83],
  ftruncate: [77, 46],
  getuid: [102, 174],
  statfs: [137, 43],
  prctl: [157, 167],
  mount: [165, 40],
  umount2: [166, 39],
  sethostname: [170, 161],
  getdents64: [217, 61],
  exit_group: [231, 94],
  openat: [257, 56],
  mkdirat: [258, 34],
  unlinkat: [263, 35],
  linkat: [265, 37],
  symlinkat: [266, 36],
  readlinkat: [267, 78],
  fchmodat: [268, 53],
  ppoll: [271, 73],
  unshare: [272, 97],
  setns: [308, 268],
  renameat2: [316, 276],
  statx: [332, 291],
} as const;

/** Names of the system calls that underpod makes. */
export type SyscallName = keyof typeof numbers;

const column = process.arch === 'arm64' ? 1 : 0;

/**
 * Makes one system call, again when a signal interrupted it, and returns its result (a file descriptor, a length, 0).
 *
 * @throws SyscallError with the errno, the call's name and `path`, which only serves the message.
 */
export function syscall(
  name: SyscallName,
  path: string | undefined,
  a: SyscallArgument = 0,
  b: SyscallArgument = 0,
  c: SyscallArgument = 0,
  d: SyscallArgument = 0,
  e: SyscallArgument = 0,
  f: SyscallArgument = 0,
): number {
  for (;;) {
    const result = raw(numbers[name][column], a, b, c, d, e, f);
    if (result !== -1) return result;
    const errno = read.i32(errnoAddress as NonNullable<typeof errnoAddress>, 0);
    if (errno === EINTR && name !== 'close') continue;
    throw new SyscallError(name, errno, path);
  }
}

/**
 * As `syscall`, for callers that expect failure as often as success: returns the negative errno instead of throwing.
 */
export function trySyscall(
  name: SyscallName,
  a: SyscallArgument = 0,
  b: SyscallArgument = 0,
  c: SyscallArgument = 0,
  d: SyscallArgument = 0,
  e: SyscallArgument = 0,
  f: SyscallArgument = 0,
): number {
  for (;;) {
    const result = raw(numbers[name][column], a, b, c, d, e, f);
    if (result !== -1) return result;
    const errno = read.i32(errnoAddress as NonNullable<typeof errnoAddress>, 0);
    if (errno === EINTR && name !== 'close') continue;
    return -errno;
  }
}

const encoder = new TextEncoder();

/** A NUL-terminated UTF-8 string for the kernel. @throws SyscallError EINVAL if `text` holds a NUL itself. */
export function cstring(text: string): Uint8Array {
  if (text.includes('\0')) throw new SyscallError('path', 22, JSON.stringify(text));
  return encoder.encode(`${text}\0`);
}
