/** Raw sockets for ICMP and ICMPv6: echo requests, and what answers them. Needs CAP_NET_RAW. */

import { AF, MSG, SOCK, SOL } from './constants.ts';
import type { Fd, OwnedFd } from './fd.ts';
import { openSocket, trySetIntOption } from './socket.ts';
import { trySyscall } from './syscall.ts';

/** IPPROTO_ICMP and IPPROTO_ICMPV6 of linux/in.h and in6.h. */
const PROTOCOL = { 4: 1, 6: 58 } as const;
/** IP_MTU_DISCOVER and IPV6_MTU_DISCOVER; IP_PMTUDISC_PROBE: never fragment, whatever is known of the path. */
const MTU_DISCOVER = { 4: 10, 6: 23 } as const;
const PROBE = 3;

/** Opens one that does not block and whose packets are not cut into fragments. @throws SyscallError EPERM, EAFNOSUPPORT */
export function openIcmpSocket(family: 4 | 6): OwnedFd {
  const socket = openSocket(family === 4 ? AF.INET : AF.INET6, SOCK.RAW | SOCK.NONBLOCK, PROTOCOL[family]);
  trySetIntOption(socket.fd, family === 4 ? SOL.IP : SOL.IPV6, MTU_DISCOVER[family], PROBE);
  return socket;
}

/**
 * Sends a message; the kernel fills in ICMPv6's checksum. Tells whether it went: no route and a packet that is too large
 * are answers, too.
 *
 * @param address 4 or 16 bytes
 */
export function sendIcmp(fd: Fd, address: Uint8Array, message: Uint8Array): boolean {
  const to = socketAddress(address);
  return trySyscall('sendto', fd, message, message.length, MSG.NOSIGNAL, to, to.length) >= 0;
}

/** struct sockaddr_in (address at 4) or sockaddr_in6 (at 8), the port zero. */
function socketAddress(address: Uint8Array): Uint8Array {
  const v4 = address.length === 4;
  const bytes = new Uint8Array(v4 ? 16 : 28);
  new DataView(bytes.buffer).setUint16(0, v4 ? AF.INET : AF.INET6, true);
  bytes.set(address, v4 ? 4 : 8);
  return bytes;
}
