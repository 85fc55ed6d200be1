/** Datagrams to a unix socket: how a service tells its supervisor something. */

import { AF, SOCK } from './constants.ts';
import { SyscallError } from './errno.ts';
import { OwnedFd } from './fd.ts';
import { syscall } from './syscall.ts';

/** sun_path's size (struct sockaddr_un, include/uapi/linux/un.h). */
const PATH_SIZE = 108;

/**
 * Sends one datagram to the socket at `path`; a path that begins with `@` is in the abstract name space.
 *
 * @throws SyscallError ENOENT or ECONNREFUSED when nobody listens, ENAMETOOLONG
 */
export function sendUnixDatagram(path: string, bytes: Uint8Array): void {
  const name = new TextEncoder().encode(path);
  if (name.length >= PATH_SIZE) throw new SyscallError('sendto', 36, path);
  if (name[0] === 0x40) name[0] = 0;
  // A path ends with a NUL byte, an abstract name where the address ends.
  const address = new Uint8Array(2 + name.length + (name[0] === 0 ? 0 : 1));
  new DataView(address.buffer).setUint16(0, AF.UNIX, true);
  address.set(name, 2);
  using socket = new OwnedFd(syscall('socket', 'unix', AF.UNIX, SOCK.DGRAM | SOCK.CLOEXEC, 0));
  syscall('sendto', path, socket.fd, bytes, bytes.length, 0, address, address.length);
}
