/** UDP over IPv4, for datagrams whose way the kernel finds. */

import { AF, MSG, SO, SOCK, SOL } from './constants.ts';
import type { Fd, OwnedFd } from './fd.ts';
import { openSocket, setIntOption } from './socket.ts';
import { syscall } from './syscall.ts';

/** An address of four bytes and a port. */
export interface UdpEndpoint {
  readonly address: Uint8Array;
  readonly port: number;
}

/**
 * Opens a socket in the calling thread's network namespace that sends from `from`. Others may have the port as well.
 *
 * @throws SyscallError EADDRNOTAVAIL where no interface has the address, EADDRINUSE
 */
export function openUdpSocket(from: UdpEndpoint): OwnedFd {
  const socket = openSocket(AF.INET, SOCK.DGRAM | SOCK.NONBLOCK, 0);
  try {
    setIntOption(socket.fd, SOL.SOCKET, SO.REUSEADDR, 1);
    const address = inetAddress(from);
    syscall('bind', `UDP port ${from.port}`, socket.fd, address, address.length);
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}

/** @throws SyscallError ENETUNREACH where no route leads there */
export function sendUdp(fd: Fd, to: UdpEndpoint, bytes: Uint8Array): void {
  const address = inetAddress(to);
  syscall('sendto', `UDP port ${to.port}`, fd, bytes, bytes.length, MSG.NOSIGNAL, address, address.length);
}

/** struct sockaddr_in: family u16, port u16 and address u32 in network order, padding. */
function inetAddress({ address, port }: UdpEndpoint): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, AF.INET, true);
  view.setUint16(2, port, false);
  bytes.set(address, 4);
  return bytes;
}
