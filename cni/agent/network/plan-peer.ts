/**
 * The changes for a few peers, from what was wanted before and what is wanted now, without a look at the kernel: for one
 * that joins or leaves among thousands. Whatever is not in the kernel as it should be is found by the comparison of all
 * (plan.ts), which runs now and then in any case. Pure.
 */

import { SCOPE } from '../../../shared/netlink/codec/address.ts';
import { NTF, NUD } from '../../../shared/netlink/codec/neighbour.ts';
import { type Route, RT_TABLE, RTN, RTNH_F } from '../../../shared/netlink/codec/route.ts';
import { macKey } from './bytes.ts';
import type { Change } from './change.ts';
import { type DesiredRoute, type Entries, metricOf, ROUTE_PROTOCOL } from './desired.ts';
import { cidrKey, ipKey } from './keys.ts';

/**
 * The changes, in the order in which the kernel accepts them. What is in both is not touched.
 *
 * @param indexOf the index of a device; a deletion on one that does not exist is left out
 */
export function planPeerChange(
  before: Entries,
  after: Entries,
  indexOf: (device: string) => number | undefined,
): Change[] {
  const neighbours = difference(
    before.neighbours,
    after.neighbours,
    (one) => `${one.device} ${ipKey(one.ip)}`,
  );
  const fdb = difference(before.fdb, after.fdb, (one) => `${one.device} ${macKey(one.mac)}`);
  const peers = difference(
    before.wireguardPeers,
    after.wireguardPeers,
    (one) => `${one.device} ${one.publicKey.toHex()}`,
  );
  const routes = difference(
    before.routes,
    after.routes,
    (one) => `${cidrKey(one.destination)} ${metricOf(one)}`,
  );
  const changes: Change[] = [];
  const gone = (device: string, make: (index: number) => Change): void => {
    const index = indexOf(device);
    if (index !== undefined) changes.push(make(index));
  };
  for (const neighbour of neighbours.come) changes.push({ kind: 'set-neighbour', neighbour });
  for (const entry of fdb.come) changes.push({ kind: 'set-fdb', fdb: entry });
  for (const peer of peers.come) changes.push({ kind: 'set-wireguard-peer', peer, endpoint: true });
  for (const route of routes.come) changes.push({ kind: 'set-route', route });
  for (const route of routes.go) {
    if (route.device === undefined)
      changes.push({ kind: 'delete-route', route: asObserved(route, undefined) });
    else gone(route.device, (index) => ({ kind: 'delete-route', route: asObserved(route, index) }));
  }
  for (const { device, publicKey } of peers.go)
    changes.push({ kind: 'delete-wireguard-peer', device, publicKey });
  for (const { device, mac, destination } of fdb.go) {
    const state = { state: NUD.PERMANENT, flags: NTF.SELF };
    gone(device, (index) => ({ kind: 'delete-fdb', device, fdb: { index, mac, destination, ...state } }));
  }
  for (const { device, ip, mac } of neighbours.go) {
    const state = { state: NUD.PERMANENT, flags: 0, type: RTN.UNICAST };
    gone(device, (index) => ({ kind: 'delete-neighbour', device, neighbour: { index, ip, mac, ...state } }));
  }
  return changes;
}

/** Entries that are only in `after`, and those whose key only `before` has. */
function difference<T>(
  before: readonly T[],
  after: readonly T[],
  keyOf: (one: T) => string,
): { readonly come: readonly T[]; readonly go: readonly T[] } {
  const old = new Set(before);
  const keys = new Set(after.map(keyOf));
  return {
    come: after.filter((one) => !old.has(one)),
    go: before.filter((one) => !keys.has(keyOf(one))),
  };
}

/** A route as the kernel shows it once it is there. */
function asObserved(route: DesiredRoute, oif: number | undefined): Route {
  const metric = metricOf(route);
  return {
    destination: route.destination,
    ...(route.gateway && { gateway: route.gateway }),
    ...(oif !== undefined && { oif }),
    ...(metric !== 0 && { priority: metric }),
    table: RT_TABLE.MAIN,
    protocol: ROUTE_PROTOCOL,
    scope: SCOPE.UNIVERSE,
    type: route.device === undefined ? RTN.BLACKHOLE : RTN.UNICAST,
    flags: route.onlink ? RTNH_F.ONLINK : 0,
    tos: 0,
  };
}
