/** Routes: what is missing, wrong or stale in the main table. Pure. */

import type { Cidr } from '../../../shared/ip/cidr.ts';
import { ipEquals } from '../../../shared/ip/ip.ts';
import { type Route, RT_TABLE, RTN, RTNH_F, RTPROT } from '../../../shared/netlink/codec/route.ts';
import type { Change } from './change.ts';
import { type DesiredRoute, metricOf, ROUTE_PROTOCOL } from './desired.ts';
import { cidrKey, type Key } from './keys.ts';
import type { ObservedNetwork } from './observed.ts';
import type { EntryPlan } from './plan-entries.ts';

export interface RoutePlan extends EntryPlan {
  /**
   * Routes that must go before the wanted ones can come. IPv6 takes a gateway "on the link" only if no route leads to
   * it by another device (ip6_route_check_nh_onlink, net/ipv6/route.c), and the gateway lies within its own subnet.
   * And where deleting a wrong route could hit the right one, the right one comes afterwards.
   */
  readonly obstacles: readonly Change[];
}

/**
 * @param kept the managed devices that stay: index → name
 * @param gone indexes of devices that will be deleted: their routes go with them
 */
export function planRoutes(
  desired: readonly DesiredRoute[],
  observed: ObservedNetwork,
  kept: ReadonlyMap<number, string>,
  gone: ReadonlySet<number>,
): RoutePlan {
  if (isUntouched(desired, observed.routes, kept))
    return { obstacles: [], set: desired.map((route) => ({ kind: 'set-route', route })), delete: [] };
  const indexes = new Map(observed.links.map((link) => [link.name, link.index]));
  for (const index of gone) indexes.delete(observed.links.find((link) => link.index === index)?.name ?? '');
  const wanted = new WantedRoutes(desired);
  const right = new Map<DesiredRoute, Route>();
  /** Routes to a wanted destination that are not the wanted route, in the kernel's order. */
  const wrong = new Map<DesiredRoute, Route[]>();
  const removed: Change[] = [];
  for (const route of observed.routes) {
    if (route.table !== RT_TABLE.MAIN || (gone.size > 0 && leavesBy(route, gone))) continue;
    const want = route.tos === 0 ? wanted.get(route.destination, route.priority ?? 0) : undefined;
    if (!want) {
      if (isOurs(route, kept)) removed.push({ kind: 'delete-route', route });
    } else if (!right.has(want) && isRight(route, want, indexes)) {
      right.set(want, route);
    } else {
      const others = wrong.get(want);
      if (others) others.push(route);
      else wrong.set(want, [route]);
    }
  }
  const set: Change[] = [];
  const obstacles: Change[] = [];
  for (const route of wanted.values()) {
    const all = wrong.get(route);
    if (!all) {
      if (!right.has(route)) set.push({ kind: 'set-route', route });
      continue;
    }
    const elsewhere = (other: Route): boolean =>
      !right.has(route) && other.destination.ip.family === 6 && other.oif !== indexes.get(route.device ?? '');
    for (const other of all.filter(elsewhere)) obstacles.push({ kind: 'delete-route', route: other });
    const others = all.filter((other) => !elsewhere(other));
    const found = right.get(route);
    // Replacing exchanges the first route of that destination and metric in place: no packet finds none.
    const rest = found ? others : others.slice(1);
    if (rest.some((other) => wouldDelete(other, route, indexes))) {
      const alike = [
        ...others.filter((other) => wouldDelete(other, route, indexes)),
        ...(found ? [found] : []),
      ];
      for (const other of alike.sort(byPrecision)) obstacles.push({ kind: 'delete-route', route: other });
      set.push({ kind: 'set-route', route });
      const unlike = others.filter((other) => !alike.includes(other));
      for (const other of unlike.slice(1)) removed.push({ kind: 'delete-route', route: other });
      continue;
    }
    if (!found) set.push({ kind: 'set-route', route });
    for (const other of rest) removed.push({ kind: 'delete-route', route: other });
  }
  return { obstacles, set, delete: removed };
}

/** True if there is nothing that thousands of routes could be compared with: none of ours, none to where they lead. */
function isUntouched(
  desired: readonly DesiredRoute[],
  observed: readonly Route[],
  kept: ReadonlyMap<number, string>,
): boolean {
  const there = new Set<Key>();
  for (const route of observed) {
    if (route.table !== RT_TABLE.MAIN) continue;
    if (isOurs(route, kept)) return false;
    there.add(cidrKey(route.destination));
  }
  for (const { destination } of desired) if (there.has(cidrKey(destination))) return false;
  return true;
}

/** Made by the agent, or on one of its devices and not made by the kernel itself. */
function isOurs(route: Route, kept: ReadonlyMap<number, string>): boolean {
  if (route.protocol === ROUTE_PROTOCOL) return true;
  return route.protocol !== RTPROT.KERNEL && leavesBy(route, kept);
}

function leavesBy(route: Route, devices: { has(index: number): boolean }): boolean {
  if (route.oif !== undefined && devices.has(route.oif)) return true;
  return route.nextHops?.some((hop) => devices.has(hop.oif)) ?? false;
}

function isRight(route: Route, want: DesiredRoute, indexes: ReadonlyMap<string, number>): boolean {
  if (route.protocol !== ROUTE_PROTOCOL || route.nextHops !== undefined || route.nextHopId !== undefined)
    return false;
  if (route.preferredSource !== undefined || route.source !== undefined || route.metrics !== undefined)
    return false;
  // IPv6 shows a black hole as leaving by the loopback device.
  if (want.device === undefined) return route.type === RTN.BLACKHOLE;
  const sameGateway =
    route.gateway && want.gateway ? ipEquals(route.gateway, want.gateway) : route.gateway === want.gateway;
  return (
    route.type === RTN.UNICAST &&
    sameGateway &&
    route.oif === indexes.get(want.device) &&
    ((route.flags & RTNH_F.ONLINK) !== 0) === want.onlink
  );
}

/**
 * True if a request to delete one route would be satisfied by the wanted one: it cannot name what else distinguishes
 * them (onlink, a preferred source, metrics), and what it leaves out (a route of several hops has neither device nor
 * gateway of its own) matches anything (fib_table_delete and fib_nh_match, net/ipv4).
 */
function wouldDelete(other: Route, want: DesiredRoute, indexes: ReadonlyMap<string, number>): boolean {
  const { protocol, type, oif, gateway } = other;
  return (
    (protocol === RTPROT.UNSPEC || protocol === ROUTE_PROTOCOL) &&
    type === (want.device === undefined ? RTN.BLACKHOLE : RTN.UNICAST) &&
    (oif === undefined || oif === indexes.get(want.device ?? '')) &&
    (gateway === undefined || (want.gateway !== undefined && ipEquals(gateway, want.gateway)))
  );
}

/** Of several deletions, those that match the least come first. */
function byPrecision(a: Route, b: Route): number {
  const named = (route: Route): number =>
    [route.protocol || undefined, route.oif, route.gateway].filter((part) => part !== undefined).length;
  return named(b) - named(a);
}

/** Wanted routes by metric and destination, without a key made of text for each. */
class WantedRoutes {
  readonly #byMetric = new Map<number, Map<Key, DesiredRoute>>();

  constructor(routes: readonly DesiredRoute[]) {
    for (const route of routes) {
      const metric = metricOf(route);
      let known = this.#byMetric.get(metric);
      if (!known) {
        known = new Map();
        this.#byMetric.set(metric, known);
      }
      known.set(cidrKey(route.destination), route);
    }
  }

  get(destination: Cidr, metric: number): DesiredRoute | undefined {
    return this.#byMetric.get(metric)?.get(cidrKey(destination));
  }

  values(): DesiredRoute[] {
    const all: DesiredRoute[] = [];
    for (const routes of this.#byMetric.values()) for (const route of routes.values()) all.push(route);
    return all;
  }
}
