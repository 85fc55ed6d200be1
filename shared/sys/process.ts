/** What a process knows of itself and the machine, and how it ends. */

import { cstring, syscall, trySyscall } from './syscall.ts';

/** Ends the process at once, without the runtime's tear-down: nothing may be pending. */
export function exit(code: number): never {
  trySyscall('exit_group', code);
  throw new Error('exit_group returned');
}

/** Blocks the thread, event loop included. For short-lived programs only. */
export function sleepMs(ms: number): void {
  const time = new BigUint64Array(2);
  time[0] = BigInt(Math.floor(ms / 1000));
  time[1] = BigInt(Math.round((ms % 1000) * 1e6));
  trySyscall('nanosleep', time, 0);
}

/** A clock that never jumps, in milliseconds with fractions. */
export function monotonicMs(): number {
  return Bun.nanoseconds() / 1e6;
}

/** The base name this program was called by: with a compiled executable, that of the link. */
export function argv0(): string {
  const called = process.argv0;
  return called.slice(called.lastIndexOf('/') + 1);
}

/** True if a process of that number exists; one of another user counts. */
export function processExists(pid: number): boolean {
  return trySyscall('kill', pid, 0) !== -3;
}

/** Sends a signal. @throws SyscallError ESRCH, EPERM */
export function kill(pid: number, signal: number): void {
  syscall('kill', `pid ${pid}`, pid, signal);
}

/** The user number of the process. */
export function getuid(): number {
  return syscall('getuid', undefined);
}

const decoder = new TextDecoder();

/** The host name of the thread's UTS namespace. */
export function hostname(): string {
  return uname().nodename;
}

/** What uname(2) tells; six fields of 65 bytes (include/uapi/linux/utsname.h). */
export function uname(): {
  sysname: string;
  nodename: string;
  release: string;
  version: string;
  machine: string;
} {
  const buffer = new Uint8Array(6 * 65);
  syscall('uname', undefined, buffer);
  const field = (index: number): string => {
    const start = index * 65;
    return decoder.decode(buffer.subarray(start, buffer.indexOf(0, start)));
  };
  return { sysname: field(0), nodename: field(1), release: field(2), version: field(3), machine: field(4) };
}

/** Sets the host name of the thread's UTS namespace. @throws SyscallError EPERM */
export function sethostname(name: string): void {
  const bytes = cstring(name);
  syscall('sethostname', name, bytes, bytes.length - 1);
}
