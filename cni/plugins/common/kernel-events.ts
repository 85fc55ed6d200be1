/** Waiting for the kernel by its events: for duplicate address detection, and for a link to carry packets. */

import { formatIp } from '../../../shared/ip/ip.ts';
import { IFA_F } from '../../../shared/netlink/codec/address.ts';
import { RTNLGRP } from '../../../shared/netlink/codec/constants.ts';
import { NETLINK } from '../../../shared/netlink/codec/message.ts';
import type { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import { AF, SOCK } from '../../../shared/sys/constants.ts';
import { isErrno } from '../../../shared/sys/errno.ts';
import type { OwnedFd } from '../../../shared/sys/fd.ts';
import { monotonicMs } from '../../../shared/sys/process.ts';
import { bindNetlink, openSocket, receive, waitReadable } from '../../../shared/sys/socket.ts';
import { CniError, tryAgainLater } from '../../protocol/error.ts';
import type { LinkView } from './link-view.ts';
import { readAddresses, readLink } from './links.ts';

/** IF_OPER_UP of linux/if.h. */
const operUp = 6;

/** As long as upstream waits: detection takes a random second and one more (RFC 4862 section 5.4). */
const detectionTimeoutMs = 5_000;

/** The kernel tells a new carrier on in a work queue, at most a second after it told the last one (link_watch.c). */
const carrierTimeoutMs = 2_500;

/** Of the codes that the specification leaves to plugins. */
export const duplicateAddressCode = 101;

/** Tells that something changed; what it was is read anew. */
export class KernelEvents implements Disposable {
  readonly #fd: OwnedFd;
  readonly #buffer: Uint8Array = new Uint8Array(64 * 1024);

  private constructor(fd: OwnedFd) {
    this.#fd = fd;
  }

  /** Listens to changes of IPv6 addresses, or of links, in the calling thread's namespace. */
  static open(group: 'addresses' | 'links' = 'addresses'): KernelEvents {
    const fd = openSocket(AF.NETLINK, SOCK.RAW, NETLINK.ROUTE);
    bindNetlink(fd.fd, 1 << ((group === 'links' ? RTNLGRP.LINK : RTNLGRP.IPV6_IFADDR) - 1));
    return new KernelEvents(fd);
  }

  /** Waits for a change; false when none came in time. */
  wait(timeoutMs: number): boolean {
    if (!waitReadable(this.#fd.fd, Math.max(0, timeoutMs))) return false;
    try {
      receive(this.#fd.fd, this.#buffer);
    } catch (error) {
      // More changes than the buffer holds: a change all the same.
      if (!isErrno(error, 'ENOBUFS')) throw error;
    }
    return true;
  }

  [Symbol.dispose](): void {
    this.#fd.close();
  }
}

/**
 * Waits until none of the link's IPv6 addresses is tentative. As upstream, a link without a carrier is not waited for
 * longer than five seconds: its addresses stay tentative.
 *
 * @throws CniError code 101 when somebody else has the address, 11 when the time is over
 */
export function awaitUsableAddresses(pod: NetlinkSocket, events: KernelEvents, link: LinkView): void {
  const deadline = monotonicMs() + detectionTimeoutMs;
  for (;;) {
    const addresses = readAddresses(pod, { family: 6, index: link.index });
    const duplicate = addresses.find(({ flags }) => (flags & IFA_F.DADFAILED) !== 0);
    if (duplicate) {
      throw new CniError(
        duplicateAddressCode,
        `${formatIp(duplicate.address.ip)} is in use by another interface on the same network`,
        {
          details: 'duplicate address detection found it: look for its owner with "ip -6 neigh" on the node',
        },
      );
    }
    if (!addresses.some(({ flags }) => (flags & IFA_F.TENTATIVE) !== 0)) return;
    if (events.wait(deadline - monotonicMs())) continue;
    if (readLink(pod, link)?.operState !== operUp) return;
    throw tryAgainLater(`addresses of ${link.name} are still tentative after ${detectionTimeoutMs / 1000} s`);
  }
}

/**
 * Waits until the link carries packets, which for a bridge's port is when the bridge forwards to it: so that the pod
 * can talk when ADD returns.
 *
 * @param now the link as it was read last
 */
export function awaitCarrier(host: NetlinkSocket, now: LinkView): void {
  if (now.operState === operUp) return;
  using events = KernelEvents.open('links');
  const deadline = monotonicMs() + carrierTimeoutMs;
  for (;;) {
    const link = readLink(host, { index: now.index });
    if (!link) throw tryAgainLater(`${now.name} vanished while it was being set up`);
    if (link.operState === operUp) return;
    if (events.wait(deadline - monotonicMs())) continue;
    throw tryAgainLater(
      `${now.name} has no carrier after ${carrierTimeoutMs / 1000} s: is the container's end up?`,
    );
  }
}
