/** Sockets of either family in other namespaces, which never block: what the packet tests open connections with. */

import { formatIp, ipFromBytes, ipToBytes, parseIp } from '../../../shared/ip/ip.ts';
import { AF, MSG, SOCK, SOL } from '../../../shared/sys/constants.ts';
import type { Fd, OwnedFd } from '../../../shared/sys/fd.ts';
import { inNetns } from '../../../shared/sys/netns.ts';
import { getIntOption, openSocket } from '../../../shared/sys/socket.ts';
import { syscall, trySyscall } from '../../../shared/sys/syscall.ts';

/** SO_ERROR of asm-generic/socket.h. */
const SO_ERROR = 4;
/** EAGAIN, EINPROGRESS and ECONNREFUSED of asm-generic/errno.h. */
const EAGAIN = 11;
const EINPROGRESS = 115;

/** POLLIN, POLLOUT, POLLERR and POLLHUP of asm-generic/poll.h. */
const READY = 0x1 | 0x4 | 0x8 | 0x10;

export function openInet(netns: OwnedFd | undefined, family: 4 | 6, type: 'tcp' | 'udp'): OwnedFd {
  const open = (): OwnedFd =>
    openSocket(
      family === 4 ? AF.INET : AF.INET6,
      (type === 'tcp' ? SOCK.STREAM : SOCK.DGRAM) | SOCK.NONBLOCK,
      0,
    );
  return netns === undefined ? open() : inNetns(netns, open);
}

export function bindInet(fd: Fd, address: string, port: number): void {
  const at = socketAddress(address, port);
  syscall('bind', `${address} port ${port}`, fd, at, at.length);
}

/** Begins a connection. @returns errno of an answer that came at once; 0 while it goes on, or when it is there */
export function connectInet(fd: Fd, address: string, port: number): number {
  const to = socketAddress(address, port);
  const result = -trySyscall('connect', fd, to, to.length);
  return result === EINPROGRESS || result < 0 ? 0 : result;
}

/** errno of what has happened to the connection since; 0 if nothing. */
export function errorOf(fd: Fd): number {
  return getIntOption(fd, SOL.SOCKET, SO_ERROR);
}

/** Whether a descriptor has something to read, can be written to, or has failed. */
export function isReady(fd: Fd): boolean {
  const poll = new Int32Array([fd, READY]);
  return trySyscall('ppoll', poll, 1, new BigInt64Array(2), null, 8) > 0;
}

/** @returns undefined while nothing is there; a number is errno */
export function receiveFrom(fd: Fd): { readonly text: string; readonly from: Sender } | number | undefined {
  const buffer = new Uint8Array(256);
  const address = new Uint8Array(28);
  const length = new Int32Array([address.length]);
  const size = trySyscall('recvfrom', fd, buffer, buffer.length, MSG.DONTWAIT, address, length);
  if (size === -EAGAIN) return undefined;
  if (size < 0) return -size;
  return {
    text: new TextDecoder().decode(buffer.subarray(0, size)),
    from: { address: address.slice(0, length[0]) },
  };
}

/** A datagram's bytes; undefined while none is there. */
export function receiveBytes(fd: Fd): Uint8Array | undefined {
  const buffer = new Uint8Array(512);
  const size = trySyscall('recvfrom', fd, buffer, buffer.length, MSG.DONTWAIT, 0, 0);
  return size < 0 ? undefined : buffer.subarray(0, size);
}

/** Somebody who sent a datagram, as sendto(2) takes it. */
export interface Sender {
  readonly address: Uint8Array;
}

export function addressOfSender({ address }: Sender): string {
  const isV4 = new DataView(address.buffer).getUint16(0, true) === AF.INET;
  return formatIp(ipFromBytes(isV4 ? address.slice(4, 8) : address.slice(8, 24)));
}

export function sendTo(fd: Fd, text: string, to?: Sender): number {
  const bytes = new TextEncoder().encode(text);
  const address = to?.address;
  return -trySyscall('sendto', fd, bytes, bytes.length, MSG.NOSIGNAL, address ?? 0, address?.length ?? 0);
}

/** struct sockaddr_in (address at 4) or sockaddr_in6 (at 8). */
function socketAddress(text: string, port: number): Uint8Array {
  const ip = parseIp(text);
  if (ip === undefined) throw new Error(`not an address: ${text}`);
  const bytes = new Uint8Array(ip.family === 4 ? 16 : 28);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, ip.family === 4 ? AF.INET : AF.INET6, true);
  view.setUint16(2, port);
  bytes.set(ipToBytes(ip), ip.family === 4 ? 4 : 8);
  return bytes;
}
