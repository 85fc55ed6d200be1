/** Puts an interface into a VRF or takes it out, and gives it back what it loses by that. */

import type { Address } from '../../../shared/netlink/codec/address.ts';
import { decodeAddress } from '../../../shared/netlink/codec/address.ts';
import { NETLINK } from '../../../shared/netlink/codec/message.ts';
import { isNetlinkError } from '../../../shared/netlink/error.ts';
import type { NetlinkRequest } from '../../../shared/netlink/request.ts';
import { dumpAddresses } from '../../../shared/netlink/requests/address.ts';
import { setLink } from '../../../shared/netlink/requests/link.ts';
import { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import type { OwnedFd } from '../../../shared/sys/fd.ts';
import { inNetns } from '../../../shared/sys/netns.ts';
import { awaitUsableAddresses, KernelEvents } from '../common/kernel-events.ts';
import type { LinkView } from '../common/link-view.ts';
import { readRoutes } from '../common/routing.ts';
import type { Held, TableOf } from './held.ts';
import { heldBy, isTentative, moveRoutes, restoreAddresses } from './held.ts';

/** What the interface has now and would lose. */
export function readHeld(pod: NetlinkSocket, { index }: LinkView): Held {
  return heldBy(index, readIpv6(pod, index), readRoutes(pod));
}

/**
 * @param master index of the VRF, 0 for none
 * @param from the table of each of the routes before
 * @param to and afterwards
 */
export function changeMaster(
  netns: OwnedFd,
  link: LinkView,
  master: number,
  held: Held,
  from: TableOf,
  to: TableOf,
): void {
  const { index } = link;
  const detects = anyTentative(held);
  const [socket, listener] = inNetns(netns, () => [
    NetlinkSocket.open(NETLINK.ROUTE),
    detects ? KernelEvents.open() : undefined,
  ]);
  using pod = socket;
  using events = listener;
  pod.request(setLink({ index, master }));
  const addresses = restoreAddresses(held, held.addresses.length === 0 ? [] : readIpv6(pod, index));
  const routes = moveRoutes(held, from, to);
  if (!events) {
    restoreAll(pod, [...addresses, ...routes]);
    return;
  }
  restoreAll(pod, addresses);
  awaitUsableAddresses(pod, events, link);
  restoreAll(pod, routes);
}

function anyTentative({ addresses }: Held): boolean {
  for (const one of addresses) if (isTentative(one)) return true;
  return false;
}

/** What the kernel has brought back or taken away by itself is fine, and so is what has expired. */
function restoreAll(pod: NetlinkSocket, requests: readonly NetlinkRequest[]): void {
  for (const { error } of pod.transact(requests))
    if (error && !isNetlinkError(error, 'EEXIST', 'EADDRNOTAVAIL', 'ESRCH')) throw error;
}

function readIpv6(pod: NetlinkSocket, index: number): Address[] {
  const addresses: Address[] = [];
  for (const { payload } of pod.dump(dumpAddresses({ family: 6, index })))
    addresses.push(decodeAddress(payload));
  return addresses;
}
