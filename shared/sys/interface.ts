/** The one question about network interfaces that is cheaper without netlink. */

import { AF, SOCK } from './constants.ts';
import { isErrno } from './errno.ts';
import { ioctl, openSocket } from './socket.ts';

/** include/uapi/linux/sockios.h. */
const SIOCGIFINDEX = 0x8933;

/** Size of struct ifreq (include/uapi/linux/if.h), and IFNAMSIZ: the name comes first. */
const IFREQ_SIZE = 40;
const NAME_SIZE = 16;

/** Whether the thread's network namespace has an interface of that name. */
export function interfaceExists(name: string): boolean {
  const request = new Uint8Array(IFREQ_SIZE);
  const bytes = new TextEncoder().encode(name);
  if (bytes.length >= NAME_SIZE) return false;
  request.set(bytes);
  // Sockets of every family answer it.
  using socket = openSocket(AF.UNIX, SOCK.DGRAM, 0);
  try {
    ioctl(socket.fd, SIOCGIFINDEX, request, name);
    return true;
  } catch (error) {
    if (isErrno(error, 'ENODEV')) return false;
    throw error;
  }
}
