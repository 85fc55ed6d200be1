/**
 * Leaves the last close of a descriptor to a child, for sockets whose last close waits when nobody else needs to: the
 * packet filter's, after a transaction that deleted something, waits for an RCU grace period, 5 to 25 ms.
 */

import { sendFromChild } from './child-send.ts';
import { AF, MSG, SO, SOCK, SOL } from './constants.ts';
import { type Fd, OwnedFd } from './fd.ts';
import { setIntOption } from './socket.ts';
import { trySyscall } from './syscall.ts';

/**
 * Has a child hold the descriptor until this process has ended, so that closing it here does not wait. The child is
 * stopped in a send to a full socket, which fails when the other end goes with this process, however that ends.
 *
 * For short-lived programs only, shortly before their end (see child-send.ts).
 *
 * @returns false where there is no child: then closing waits
 */
export function closeLate(fd: Fd): boolean {
  const pair = new Int32Array(2);
  if (trySyscall('socketpair', AF.UNIX, SOCK.STREAM | SOCK.CLOEXEC, 0, pair) < 0) return false;
  using near = new OwnedFd(pair[0] as number);
  const far = new OwnedFd(pair[1] as number);
  // The least that the kernel lets it be.
  setIntOption(near.fd, SOL.SOCKET, SO.SNDBUF, 1);
  const filling = new Uint8Array(4096);
  while (trySyscall('sendto', near.fd, filling, filling.length, MSG.DONTWAIT | MSG.NOSIGNAL, 0, 0) > 0);
  using child = sendFromChild(near.fd, filling, [fd]);
  if (!child) {
    far.close();
    return false;
  }
  // For the end of the process to close.
  far.release();
  return true;
}
