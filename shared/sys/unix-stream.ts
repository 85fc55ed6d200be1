/** Connections to unix sockets, synchronous: for the short talk of a short-lived program with a local service. */

import { AF, MSG, SOCK, SOL } from './constants.ts';
import { SyscallError } from './errno.ts';
import type { Fd, OwnedFd } from './fd.ts';
import { openSocket, receive, send, waitReadable } from './socket.ts';
import { syscall, trySyscall } from './syscall.ts';

/** sun_path's size (struct sockaddr_un, include/uapi/linux/un.h). */
const PATH_SIZE = 108;

/** ENAMETOOLONG, EAGAIN and ETIMEDOUT of asm-generic/errno.h. */
const ENAMETOOLONG = 36;
const EAGAIN = 11;
const ETIMEDOUT = 110;

/** SO_SNDTIMEO_OLD of asm-generic/socket.h: a struct timeval of two words. It limits connect(2) as well, see socket(7). */
const SO_SNDTIMEO = 21;

/**
 * Connects to the socket at `path`; a path that begins with `@` is in the abstract name space.
 *
 * @param timeoutMs for the connection, which a listener that accepts nobody keeps waiting, and for each send; none: for ever
 * @throws SyscallError ENOENT or ECONNREFUSED when nobody listens, ETIMEDOUT, ENAMETOOLONG
 */
export function connectUnix(path: string, timeoutMs?: number): OwnedFd {
  const name = new TextEncoder().encode(path);
  if (name.length >= PATH_SIZE) throw new SyscallError('connect', ENAMETOOLONG, path);
  if (name[0] === 0x40) name[0] = 0;
  // A path ends with a NUL byte, an abstract name where the address ends.
  const address = new Uint8Array(2 + name.length + (name[0] === 0 ? 0 : 1));
  new DataView(address.buffer).setUint16(0, AF.UNIX, true);
  address.set(name, 2);
  const socket = openSocket(AF.UNIX, SOCK.STREAM, 0);
  try {
    if (timeoutMs !== undefined) {
      const time = BigInt64Array.of(BigInt(Math.trunc(timeoutMs / 1000)), BigInt((timeoutMs % 1000) * 1000));
      syscall('setsockopt', 'SO_SNDTIMEO', socket.fd, SOL.SOCKET, SO_SNDTIMEO, time, time.byteLength);
    }
    const error = -trySyscall('connect', socket.fd, address, address.length);
    if (error > 0) throw new SyscallError('connect', error === EAGAIN ? ETIMEDOUT : error, path);
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}

/** Sends all of it. @throws SyscallError EPIPE */
export function sendAll(fd: Fd, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += send(fd, bytes.subarray(at), MSG.NOSIGNAL);
}

/**
 * Reads until a line's end, which is left out, and whatever came with it is dropped: for those who get one line an answer.
 * Undefined where the other side closed the connection before.
 *
 * @param timeoutMs −1: for ever
 * @throws RangeError for more than `limit` bytes; Error called ReadTimeout
 */
export function receiveLine(fd: Fd, limit: number, timeoutMs: number): Uint8Array | undefined {
  let buffer = new Uint8Array(4096);
  let length = 0;
  for (;;) {
    if (length === buffer.length) {
      const larger = new Uint8Array(buffer.length * 4);
      larger.set(buffer);
      buffer = larger;
    }
    if (!waitReadable(fd, timeoutMs)) throw new ReadTimeout(`no answer within ${timeoutMs / 1000} s`);
    const count = receive(fd, buffer.subarray(length));
    if (count === 0) return undefined;
    const end = buffer.subarray(length, length + count).indexOf(0x0a);
    if (end >= 0) return buffer.subarray(0, length + end);
    length += count;
    if (length > limit) throw new RangeError(`a line of more than ${limit} bytes`);
  }
}

/** The other side said nothing for too long. */
export class ReadTimeout extends Error {
  override readonly name = 'ReadTimeout';
}
