/**
 * The one way into the kernel: libc's `syscall`, loaded through Bun's foreign function interface.
 *
 * A single symbol instead of one a call, because each symbol that dlopen binds costs ~7 µs at start and a CNI call
 * lives 5 ms. Every argument is declared `ptr`: Bun passes numbers as they are (negative ones sign-extended) and the
 * address of a typed array at the moment of the call. Pointers are never kept: a cached one goes stale once the
 * caller is compiled (oven-sh/bun #32054).
 *
 * glibc's `syscall` sets errno per thread; it must be read on the line after the call.
 */

import { SyscallError } from './errno.ts';

/** An argument of a system call: an integer, or memory that the kernel reads or writes during the call. */
export type SyscallArgument = number | Uint8Array | Int32Array | BigInt64Array | BigUint64Array | null;

/** FFIType of bun:ffi: int32_t, a pointer, int64_t as a number where it fits. */
const I32 = 5;
const POINTER = 12;
const I64_FAST = 15;

/**
 * What bun:ffi is made of, without the module around it, whose loading costs a CNI call 0.15 ms. The module converts
 * arguments more kindly; the types below leave none to convert.
 */
interface NativeFfi {
  dlopen(
    library: string,
    symbols: Readonly<Record<string, { readonly args: readonly number[]; readonly returns: number }>>,
  ): { readonly symbols: Readonly<Record<'syscall' | '__errno_location', unknown>> };
  readonly read: { i32(address: number, offset: number): number };
  ptr(bytes: Uint8Array): number;
}

const ffi = (Bun as unknown as { readonly FFI: NativeFfi }).FFI;
const { dlopen, read } = ffi;

const library = dlopen('libc.so.6', {
  syscall: { args: [I32, POINTER, POINTER, POINTER, POINTER, POINTER, POINTER], returns: I64_FAST },
  __errno_location: { args: [], returns: POINTER },
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

const raw = library.symbols.syscall as Raw;
const errnoAddress = (library.symbols.__errno_location as () => number)();

const EINTR = 4;

/** System call numbers: arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h (arm64). */
const numbers = {
  read: [0, 63],
  write: [1, 64],
  close: [3, 57],
  lseek: [8, 62],
  ioctl: [16, 29],
  pread64: [17, 67],
  madvise: [28, 233],
  nanosleep: [35, 101],
  getpid: [39, 172],
  socket: [41, 198],
  connect: [42, 203],
  sendto: [44, 206],
  recvfrom: [45, 207],
  bind: [49, 200],
  getsockname: [51, 204],
  socketpair: [53, 199],
  setsockopt: [54, 208],
  getsockopt: [55, 209],
  clone: [56, 220],
  execve: [59, 221],
  kill: [62, 129],
  uname: [63, 160],
  flock: [73, 32],
  fsync: [74, 82],
  fdatasync: [75, 83],
  ftruncate: [77, 46],
  fchmod: [91, 52],
  getuid: [102, 174],
  statfs: [137, 43],
  prctl: [157, 167],
  adjtimex: [159, 171],
  mount: [165, 40],
  umount2: [166, 39],
  sethostname: [170, 161],
  quotactl: [179, 60],
  fsetxattr: [190, 7],
  fgetxattr: [193, 10],
  flistxattr: [196, 13],
  getdents64: [217, 61],
  clock_gettime: [228, 113],
  exit_group: [231, 94],
  openat: [257, 56],
  mkdirat: [258, 34],
  mknodat: [259, 33],
  fchownat: [260, 54],
  unlinkat: [263, 35],
  linkat: [265, 37],
  symlinkat: [266, 36],
  readlinkat: [267, 78],
  fchmodat: [268, 53],
  ppoll: [271, 73],
  unshare: [272, 97],
  utimensat: [280, 88],
  fallocate: [285, 47],
  syncfs: [306, 267],
  setns: [308, 268],
  fsopen: [430, 430],
  fsconfig: [431, 431],
  fsmount: [432, 432],
  renameat2: [316, 276],
  statx: [332, 291],
  pidfd_send_signal: [424, 424],
  close_range: [436, 436],
  openat2: [437, 437],
  quotactl_fd: [443, 443],
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
    const errno = read.i32(errnoAddress, 0);
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
    const errno = read.i32(errnoAddress, 0);
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

/**
 * Where `bytes` are in memory, for the kernel's structures that hold pointers. Good for the very next call, and only for
 * memory that its caller made as an ArrayBuffer and still refers to after that call.
 */
export function addressOf(bytes: Uint8Array): number {
  return ffi.ptr(bytes);
}
