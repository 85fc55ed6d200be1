/**
 * What an interface loses when it goes into a VRF or out of one: the kernel sets it down and up for that
 * (cycle_netdev, drivers/net/vrf.c). Pure.
 */

import { cidrEquals } from '../../../shared/ip/cidr.ts';
import type { Address, AddressSpec } from '../../../shared/netlink/codec/address.ts';
import { FOREVER, IFA_F, SCOPE } from '../../../shared/netlink/codec/address.ts';
import { NLM_F } from '../../../shared/netlink/codec/message.ts';
import type { Route } from '../../../shared/netlink/codec/route.ts';
import { RTPROT } from '../../../shared/netlink/codec/route.ts';
import type { NetlinkRequest } from '../../../shared/netlink/request.ts';
import { delAddress, newAddress } from '../../../shared/netlink/requests/address.ts';
import { delRoute, newRoute } from '../../../shared/netlink/requests/route.ts';
import { routesBy } from '../common/moved-routes.ts';

/** Addresses and routes that the kernel does not bring back by itself. */
export interface Held {
  /** Global ones of IPv6; the kernel keeps IPv4's, and makes link-local ones anew. */
  readonly addresses: readonly Address[];
  /** Of any table, without those that follow from addresses. */
  readonly routes: readonly Route[];
}

/** Flags that a request may give (inet6_rtm_newaddr, net/ipv6/addrconf.c); the others are the kernel's to tell. */
const settable =
  IFA_F.NODAD | IFA_F.HOMEADDRESS | IFA_F.MANAGETEMPADDR | IFA_F.NOPREFIXROUTE | IFA_F.MCAUTOJOIN;

/** Picks it from all that there is. */
export function heldBy(index: number, addresses: readonly Address[], routes: readonly Route[]): Held {
  const kept: Address[] = [];
  for (const one of addresses)
    if (one.index === index && one.address.ip.family === 6 && one.scope === SCOPE.UNIVERSE) kept.push(one);
  const own: Route[] = [];
  for (const route of routesBy(index, routes)) if (route.protocol !== RTPROT.KERNEL) own.push(route);
  return { addresses: kept, routes: own };
}

/**
 * Gives the interface back which addresses it lacks. An interface that keeps its addresses when it is down
 * (keep_addr_on_down) looks for duplicates of them once more, which takes a second or two in which they are of no use:
 * what had been found to be free is made anew, without another look.
 */
export function restoreAddresses({ addresses }: Held, now: readonly Address[]): NetlinkRequest[] {
  const requests: NetlinkRequest[] = [];
  for (const one of addresses) {
    const there = sameAddress(now, one);
    if (there && (isTentative(one) || !isTentative(there))) continue;
    const { index, address } = one;
    if (there) requests.push(delAddress({ index, address }));
    requests.push(newAddress(specOf(one)));
  }
  return requests;
}

/** In which table a route is, or is to be. */
export type TableOf = (route: Route) => number;

/**
 * Moves the routes, those that leave by a gateway last: the way to it has to be there.
 *
 * Of IPv6 each is taken away from where it was: the kernel has done so already, except for one that it has joined with
 * another interface's, which it revives as soon as the interface is up again (fib6_ifdown, net/ipv6/route.c).
 */
export function moveRoutes({ routes }: Held, from: TableOf, to: TableOf): NetlinkRequest[] {
  const requests: NetlinkRequest[] = [];
  for (const route of routes) {
    const table = from(route);
    if (route.destination.ip.family === 6 && table !== to(route))
      requests.push(delRoute({ ...route, table }));
  }
  for (const route of routes) if (route.gateway === undefined) requests.push(restore(route, to(route)));
  for (const route of routes) if (route.gateway !== undefined) requests.push(restore(route, to(route)));
  return requests;
}

/** Duplicates are still being looked for. */
export function isTentative({ flags }: Address): boolean {
  return (flags & IFA_F.TENTATIVE) !== 0;
}

function sameAddress(all: readonly Address[], { address }: Address): Address | undefined {
  for (const one of all) if (cidrEquals(one.address, address)) return one;
  return undefined;
}

function specOf(one: Address): AddressSpec {
  const { index, address, scope, peer, cacheInfo, routePriority, protocol } = one;
  const flags = (one.flags & settable) | (isTentative(one) ? 0 : IFA_F.NODAD);
  const ends = cacheInfo !== undefined && (cacheInfo.valid !== FOREVER || cacheInfo.preferred !== FOREVER);
  return {
    index,
    address,
    scope,
    flags,
    ...(peer === undefined ? {} : { peer }),
    ...(ends ? { cacheInfo } : {}),
    ...(routePriority === undefined ? {} : { routePriority }),
    ...(protocol === undefined ? {} : { protocol }),
  };
}

/**
 * Beside what the table has: another interface of the VRF may have a route to the same destination, which stays the
 * first. (Of IPv4, without APPEND the kernel puts the new one before it: fib_table_insert, net/ipv4/fib_trie.c.)
 */
function restore(route: Route, table: number): NetlinkRequest {
  return { ...newRoute({ ...route, table }), flags: NLM_F.CREATE | NLM_F.APPEND };
}
