/** Sockets: raw ones for netlink and for the odd question that only an option answers. */

import { AF, SOCK } from './constants.ts';
import { SyscallError } from './errno.ts';
import { type Fd, OwnedFd } from './fd.ts';
import { syscall, trySyscall } from './syscall.ts';

/** socket(2), close-on-exec. @throws SyscallError EAFNOSUPPORT, EPROTONOSUPPORT, EPERM */
export function openSocket(domain: number, type: number, protocol: number): OwnedFd {
  return new OwnedFd(syscall('socket', `family ${domain}`, domain, type | SOCK.CLOEXEC, protocol));
}

/**
 * Binds a netlink socket and lets the kernel choose its port.
 *
 * @param groups bit mask of the first 32 multicast groups
 * (struct sockaddr_nl, include/uapi/linux/netlink.h: family u16, pad, pid u32, groups u32)
 */
export function bindNetlink(fd: Fd, groups: number = 0): void {
  const address = new Uint8Array(12);
  const view = new DataView(address.buffer);
  view.setUint16(0, AF.NETLINK, true);
  view.setUint32(8, groups, true);
  syscall('bind', 'netlink', fd, address, address.length);
}

/** The port number of a netlink socket that is bound. */
export function netlinkPortId(fd: Fd): number {
  const address = new Uint8Array(12);
  syscall('getsockname', 'netlink', fd, address, new Int32Array([address.length]));
  return new DataView(address.buffer).getUint32(4, true);
}

/** Sends one datagram or a stretch of a stream; returns how many bytes went. @throws SyscallError */
export function send(fd: Fd, bytes: Uint8Array, flags: number = 0): number {
  return syscall('sendto', undefined, fd, bytes, bytes.length, flags, 0, 0);
}

/**
 * Receives into `buffer` and returns the length; with MSG.TRUNC the datagram's own length, which may be larger.
 *
 * @throws SyscallError EAGAIN with MSG.DONTWAIT and nothing there, ENOBUFS after an overrun
 */
export function receive(fd: Fd, buffer: Uint8Array, flags: number = 0): number {
  return syscall('recvfrom', undefined, fd, buffer, buffer.length, flags, 0, 0);
}

/** Sets an option whose value is an int. @throws SyscallError */
export function setIntOption(fd: Fd, level: number, name: number, value: number): void {
  const bytes = new Int32Array([value]);
  syscall('setsockopt', `option ${name}`, fd, level, name, bytes, 4);
}

/** As `setIntOption`, but tells whether the kernel took it: for options that newer kernels or more rights have. */
export function trySetIntOption(fd: Fd, level: number, name: number, value: number): boolean {
  return trySyscall('setsockopt', fd, level, name, new Int32Array([value]), 4) === 0;
}

/** Reads an option into a buffer of `size` bytes; the result is as long as the kernel made it. @throws SyscallError */
export function getOption(
  fd: Fd,
  level: number,
  name: number,
  size: number,
  request?: Uint8Array,
): Uint8Array {
  const value = new Uint8Array(size);
  if (request) value.set(request);
  const length = new Int32Array([size]);
  syscall('getsockopt', `option ${name}`, fd, level, name, value, length);
  return value.subarray(0, length[0] ?? 0);
}

/** Reads an option whose value is an int. @throws SyscallError */
export function getIntOption(fd: Fd, level: number, name: number): number {
  const bytes = getOption(fd, level, name, 4);
  return new DataView(bytes.buffer).getInt32(0, true);
}

/** ioctl(2) on a descriptor. @throws SyscallError with `what` as the message's object */
export function ioctl(fd: Fd, request: number, argument: Uint8Array | number, what: string): number {
  return syscall('ioctl', what, fd, request, argument);
}

/** Waits until `fd` can be read or the time is over; tells whether it can. @param timeoutMs −1: for ever */
export function waitReadable(fd: Fd, timeoutMs: number): boolean {
  return waitAnyReadable([fd], timeoutMs) !== undefined;
}

/** The first of `fds` that can be read; undefined when the time is over before one can. @param timeoutMs −1: for ever */
export function waitAnyReadable(fds: readonly Fd[], timeoutMs: number): Fd | undefined {
  // struct pollfd: fd s32, events s16, revents s16; POLLIN = 1 (include/uapi/asm-generic/poll.h).
  const poll = new Int32Array(2 * fds.length);
  for (let index = 0; index < fds.length; index++) {
    poll[2 * index] = fds[index] as Fd;
    poll[2 * index + 1] = 1;
  }
  const time = new BigUint64Array(2);
  time[0] = BigInt(Math.max(0, Math.floor(timeoutMs / 1000)));
  time[1] = BigInt(Math.max(0, Math.round((timeoutMs % 1000) * 1e6)));
  const result = trySyscall('ppoll', poll, fds.length, timeoutMs < 0 ? null : time, null, 8);
  if (result < 0) throw new SyscallError('ppoll', -result);
  for (let index = 0; index < fds.length; index++) {
    if ((poll[2 * index + 1] as number) >>> 16 !== 0) return fds[index];
  }
  return undefined;
}
