/** What of the interface's routes stays in the main table. Pure. */

import type { Cidr } from '../../../shared/ip/cidr.ts';
import { includesCidr, networkOf } from '../../../shared/ip/cidr.ts';
import type { Ip } from '../../../shared/ip/ip.ts';
import { ipEquals, isLinkLocal, isMulticast } from '../../../shared/ip/ip.ts';
import { SCOPE } from '../../../shared/netlink/codec/address.ts';
import type { Route, RouteSpec } from '../../../shared/netlink/codec/route.ts';
import type { IpConfig } from '../../protocol/result.ts';
import type { SbrConfig } from './config.ts';

/** A route of the main table by which an address is found to send from. */
export interface Hint {
  readonly route: RouteSpec;
  /** Of IPv4 the kernel has made it itself. */
  readonly isNew: boolean;
}

/** One for each subnet, with its first address. */
export function hintsOf(index: number, ips: readonly IpConfig[], movable: readonly Route[]): Hint[] {
  const hints: Hint[] = [];
  const subnets: Cidr[] = [];
  for (const { address } of ips) {
    const destination = networkOf(address);
    if (includesCidr(subnets, destination)) continue;
    subnets.push(destination);
    const there = onLinkFrom(movable, destination, address.ip);
    hints.push({
      route: there ?? { destination, oif: index, preferredSource: address.ip, scope: SCOPE.LINK },
      isNew: there === undefined,
    });
  }
  return hints;
}

function onLinkFrom(routes: readonly Route[], subnet: Cidr, ip: Ip): Route | undefined {
  for (const route of routes) {
    const { destination, preferredSource } = route;
    if (!isOnLink(route) || !includesCidr([destination], subnet)) continue;
    if (preferredSource !== undefined && ipEquals(preferredSource, ip)) return route;
  }
  return undefined;
}

/**
 * Packets from a link-local address follow no rule, so that its subnet has to stay (upstream's goes, and with it all
 * that is sent from such an address). With source hints stay all subnets, in the form that has the hint.
 */
export function staysInMain(route: Route, { addSourceHints }: SbrConfig, hints: readonly Hint[]): boolean {
  const { destination } = route;
  if (destination.ip.family === 6 && (isLinkLocal(destination.ip) || isMulticast(destination.ip)))
    return true;
  if (!addSourceHints || !isOnLink(route)) return false;
  for (const hint of hints)
    if (hint.isNew && includesCidr([hint.route.destination], destination)) return false;
  return true;
}

/** IPv6 has no scopes. */
function isOnLink({ destination, gateway, scope }: Route): boolean {
  return gateway === undefined && (destination.ip.family === 6 || scope === SCOPE.LINK);
}
