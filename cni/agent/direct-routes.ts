/**
 * Which addresses are on the same link, so that no tunnel is needed: for flannel's DirectRouting and host-gw. It goes by
 * the main table as it was read, without asking the kernel for every peer. Pure.
 */

import { networkOf } from '../../shared/ip/cidr.ts';
import { familyBits, type Ip } from '../../shared/ip/ip.ts';
import { type Route, RT_TABLE, RTN } from '../../shared/netlink/codec/route.ts';
import { ROUTE_PROTOCOL } from './network/desired.ts';
import { cidrKey, type Key } from './network/keys.ts';
import type { ObservedNetwork } from './network/observed.ts';

/**
 * Makes a function that tells the name of the interface by which an address is reached without a gateway.
 *
 * @param tunnels the backend's devices: what is behind one of them is not on its link
 */
export function directRoutes(
  observed: Pick<ObservedNetwork, 'links' | 'routes'>,
  tunnels: readonly string[],
): (ip: Ip) => string | undefined {
  const names = new Map(observed.links.map((link) => [link.index, link.name]));
  const tables = { 4: new Prefixes(4), 6: new Prefixes(6) } as const;
  for (const route of observed.routes) {
    // Our own lead to pods, never to nodes.
    if (route.table !== RT_TABLE.MAIN || route.tos !== 0 || route.protocol === ROUTE_PROTOCOL) continue;
    tables[route.destination.ip.family].add(route);
  }
  return (ip) => {
    const route = tables[ip.family].find(ip);
    const name = route?.oif === undefined ? undefined : names.get(route.oif);
    if (!route || name === undefined || route.gateway || route.nextHops || route.nextHopId) return undefined;
    return route.type === RTN.UNICAST && !tunnels.includes(name) ? name : undefined;
  };
}

/** Routes of one family, found by the longest prefix: one look-up for each length of prefix that there is. */
class Prefixes {
  readonly #bits: number;
  readonly #byLength = new Map<number, Map<Key, Route>>();
  #lengths: readonly number[] | undefined;

  constructor(family: 4 | 6) {
    this.#bits = familyBits(family);
  }

  /** Of several to one network that with the lowest metric counts. */
  add(route: Route): void {
    const { prefix } = route.destination;
    const routes = this.#byLength.get(prefix) ?? new Map<Key, Route>();
    if (routes.size === 0) this.#lengths = undefined;
    this.#byLength.set(prefix, routes);
    const key = cidrKey(route.destination);
    const other = routes.get(key);
    if (!other || (route.priority ?? 0) < (other.priority ?? 0)) routes.set(key, route);
  }

  find(ip: Ip): Route | undefined {
    this.#lengths ??= [...this.#byLength.keys()].sort((a, b) => b - a);
    for (const prefix of this.#lengths) {
      const key = cidrKey(prefix === this.#bits ? { ip, prefix } : networkOf({ ip, prefix }));
      const route = this.#byLength.get(prefix)?.get(key);
      if (route) return route;
    }
    return undefined;
  }
}
