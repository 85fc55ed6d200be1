/** Routes of an interface that are to go to another table, or to outlive the interface going down. Pure. */

import type { Attribute } from '../../../shared/netlink/codec/attributes.ts';
import type { Route } from '../../../shared/netlink/codec/route.ts';
import { RTNH_F } from '../../../shared/netlink/codec/route.ts';

/** Age and use of a route, which a request cannot say: linux/rtnetlink.h. */
const RTA_CACHEINFO = 12;

/**
 * The routes that leave by an interface alone, as they can be asked for.
 *
 * Of the ways that IPv6 lists together as one route (as soon as two have destination and metric in common, whoever added
 * them), the interface's is one that comes and goes by itself. IPv4 knows such a route as a whole only: it is left out.
 */
export function routesBy(index: number, routes: readonly Route[]): Route[] {
  const found: Route[] = [];
  for (const route of routes) {
    if (route.oif === index) found.push(portable(route));
    if (route.nextHops === undefined || route.destination.ip.family === 4) continue;
    const { nextHops, ...rest } = route;
    for (const { oif, gateway, flags } of nextHops)
      if (oif === index)
        found.push(portable({ ...rest, oif, flags, ...(gateway === undefined ? {} : { gateway }) }));
  }
  return found;
}

/** Without what the kernel tells of a route's state and refuses to be told (fib_create_info, net/ipv4/fib_semantics.c). */
function portable({ unknown, ...route }: Route): Route {
  const kept: Attribute[] = [];
  for (const attribute of unknown ?? []) if (attribute.type !== RTA_CACHEINFO) kept.push(attribute);
  return { ...route, flags: route.flags & RTNH_F.ONLINK, ...(kept.length === 0 ? {} : { unknown: kept }) };
}
