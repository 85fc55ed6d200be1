/** CHECK's looks at a container's interface, against what prevResult says of it. */

import { cidrEquals, formatCidr } from '../../../shared/ip/cidr.ts';
import { ipEquals } from '../../../shared/ip/ip.ts';
import { formatMac } from '../../../shared/ip/mac.ts';
import { RT_TABLE } from '../../../shared/netlink/codec/route.ts';
import type { Rtnetlink } from '../../../shared/netlink/rtnetlink.ts';
import type { Interface, Result, Route } from '../../protocol/result.ts';
import { checkFailed } from './check-failed.ts';
import type { LinkView } from './link-view.ts';

/** Throws where the container lacks a route of prevResult. */
export function checkRoutes(pod: Rtnetlink, { routes }: Result, ifname: string): void {
  for (const route of routes) checkRoute(pod, route, ifname);
}

/** Throws where prevResult records another MAC address; none recorded fits any. */
export function checkMac(link: LinkView, recorded: Interface, what: string): void {
  const mac = link.mac === undefined ? '' : formatMac(link.mac);
  if (!recorded.mac || recorded.mac.toLowerCase() === mac) return;
  throw checkFailed(`${what} ${link.name} has the MAC address ${mac}, not ${recorded.mac}`);
}

/** Throws where the container's interface lacks an address that prevResult gives it. */
export function checkAddresses(pod: Rtnetlink, result: Result, inside: LinkView): void {
  const present = pod.addresses({ index: inside.index });
  for (const { address, interface: index } of result.ips) {
    if (index !== undefined && result.interfaces[index]?.name !== inside.name) continue;
    if (present.some((one) => cidrEquals(one.address, address))) continue;
    throw checkFailed(`${inside.name} does not have the address ${formatCidr(address)}`);
  }
}

/**
 * A route may have moved to another table with its interface (`vrf`) or without (`sbr`), as long as it goes by that
 * interface. One that was asked for in a table has to be there.
 */
function checkRoute(pod: Rtnetlink, { dst, gw, table }: Route, ifname: string): void {
  const index = table === undefined ? pod.link({ name: ifname })?.index : undefined;
  const routes = pod.routes({ family: dst.ip.family, ...(table === undefined ? {} : { table }) });
  const found = routes.some(
    (route) =>
      cidrEquals(route.destination, dst) &&
      (gw === undefined || (route.gateway !== undefined && ipEquals(route.gateway, gw))) &&
      (table !== undefined || route.table === RT_TABLE.MAIN || route.oif === index),
  );
  if (!found) throw checkFailed(`the container of ${ifname} has no route to ${formatCidr(dst)}`);
}
