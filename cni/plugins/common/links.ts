/** Links and addresses of a namespace, as far as plugins look at them. */

import { isNetlinkError } from '../../../shared/netlink/error.ts';
import type { NetlinkRequest } from '../../../shared/netlink/request.ts';
import { dumpAddresses } from '../../../shared/netlink/requests/address.ts';
import type { LinkKey } from '../../../shared/netlink/requests/link.ts';
import { delLink, dumpLinks, getLink } from '../../../shared/netlink/requests/link.ts';
import type { NetlinkSocket, Outcome } from '../../../shared/netlink/socket.ts';
import type { AddressView } from './address-view.ts';
import { viewAddress } from './address-view.ts';
import type { LinkView } from './link-view.ts';
import { viewLink } from './link-view.ts';

/** The links of those keys, in one send; undefined for each that does not exist. */
export function readLinks(socket: NetlinkSocket, ...keys: readonly LinkKey[]): (LinkView | undefined)[] {
  const requests: NetlinkRequest[] = [];
  for (const key of keys) requests.push(getLink(key));
  const links: (LinkView | undefined)[] = [];
  for (const outcome of socket.transact(requests)) links.push(linkOf(outcome));
  return links;
}

/** One link, or undefined where there is none. */
export function readLink(socket: NetlinkSocket, key: LinkKey): LinkView | undefined {
  return readLinks(socket, key)[0];
}

/** The link that a request of `getLink` found. Throws its error unless that is that there is none. */
export function linkOf({ error, replies }: Outcome): LinkView | undefined {
  if (error && !isNetlinkError(error, 'ENODEV')) throw error;
  return replies[0] && viewLink(replies[0].payload);
}

/** All links of kind veth. */
export function listVeths(socket: NetlinkSocket): LinkView[] {
  return socket.dump(dumpLinks({ kind: 'veth' })).map(({ payload }) => viewLink(payload));
}

/** The addresses of a link. */
export function readAddresses(
  socket: NetlinkSocket,
  filter: { readonly index: number; readonly family?: 4 | 6 },
): AddressView[] {
  const addresses: AddressView[] = [];
  for (const { payload } of socket.dump(dumpAddresses(filter))) {
    const address = viewAddress(payload);
    // Kernels before 4.20 know no filter and tell all.
    if (address?.index === filter.index) addresses.push(address);
  }
  return addresses;
}

/** Deletes a link, and with a veth its other end; one that is gone already is fine. Takes the kernel 20 ms. */
export function deleteLink(socket: NetlinkSocket, { index }: Pick<LinkView, 'index'>): void {
  const [outcome] = socket.transact([delLink({ index })]);
  if (outcome?.error && !isNetlinkError(outcome.error, 'ENODEV')) throw outcome.error;
}
