/** Connections to unix sockets, synchronous: for the short talk of a short-lived program with a local service. */

import { AF, SOCK } from './constants.ts';
import { SyscallError } from './errno.ts';
import type { OwnedFd } from './fd.ts';
import { openSocket } from './socket.ts';
import { syscall } from './syscall.ts';

/** sun_path's size (struct sockaddr_un, include/uapi/linux/un.h). */
const PATH_SIZE = 108;

const ENAMETOOLONG = 36;

/**
 * Connects to the socket at `path`; a path that begins with `@` is in the abstract name space.
 *
 * @throws SyscallError ENOENT or ECONNREFUSED when nobody listens, ENAMETOOLONG
 */
export function connectUnix(path: string): OwnedFd {
  const name = new TextEncoder().encode(path);
  if (name.length >= PATH_SIZE) throw new SyscallError('connect', ENAMETOOLONG, path);
  if (name[0] === 0x40) name[0] = 0;
  // A path ends with a NUL byte, an abstract name where the address ends.
  const address = new Uint8Array(2 + name.length + (name[0] === 0 ? 0 : 1));
  new DataView(address.buffer).setUint16(0, AF.UNIX, true);
  address.set(name, 2);
  const socket = openSocket(AF.UNIX, SOCK.STREAM, 0);
  try {
    syscall('connect', path, socket.fd, address, address.length);
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}
