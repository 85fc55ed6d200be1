/** Packet sockets: whole Ethernet frames of one interface, of those a filter in the kernel lets through (packet(7)). */

import { AF, SOCK } from './constants.ts';
import type { Fd, OwnedFd } from './fd.ts';
import { openSocket } from './socket.ts';
import { attachFilter, type FilterInstruction } from './socket-filter.ts';
import { syscall } from './syscall.ts';

/** ETH_P_* of include/uapi/linux/if_ether.h. */
export const ETH_P = { IP: 0x0800 } as const;

/**
 * Opens a socket that gets frames of a protocol from an interface of the calling thread's network namespace. It is told
 * nothing before the filter is in place. Not blocking.
 *
 * @param ifindex index of the interface
 * @throws SyscallError ENODEV, ENETDOWN where the interface is down, EPERM
 */
export function openPacketSocket(
  ifindex: number,
  protocol: number,
  filter: readonly FilterInstruction[],
): OwnedFd {
  // Protocol 0 receives nothing; bind(2) names the right one.
  const socket = openSocket(AF.PACKET, SOCK.RAW | SOCK.NONBLOCK, 0);
  try {
    attachFilter(socket.fd, filter);
    const address = linkAddress(ifindex, protocol);
    syscall('bind', `link number ${ifindex}`, socket.fd, address, address.length);
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}

/** Sends a frame as it is. @throws SyscallError ENETDOWN, ENXIO where the interface is gone */
export function sendFrame(fd: Fd, ifindex: number, frame: Uint8Array): void {
  const address = linkAddress(ifindex, 0);
  syscall('sendto', `link number ${ifindex}`, fd, frame, frame.length, 0, address, address.length);
}

/** struct sockaddr_ll: family u16, protocol u16 in network order, index s32, hatype u16, pkttype u8, halen u8, addr. */
function linkAddress(ifindex: number, protocol: number): Uint8Array {
  const address = new Uint8Array(20);
  const view = new DataView(address.buffer);
  view.setUint16(0, AF.PACKET, true);
  view.setUint16(2, protocol, false);
  view.setInt32(4, ifindex, true);
  return address;
}
