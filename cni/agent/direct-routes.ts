/** Which peers are on the same link, so that no tunnel is needed: flannel's DirectRouting. */

import { formatIp } from '../../shared/ip/ip.ts';
import { RTN } from '../../shared/netlink/codec/route.ts';
import type { NodeLease } from '../../shared/store/registry.ts';
import type { Kernel } from './kernel/kernel.ts';
import type { ObservedNetwork } from './network/observed.ts';

/** The interface by which each peer's public address is reached without a gateway, by the address in text. */
export function directRoutes(
  kernel: Kernel,
  peers: readonly NodeLease[],
  observed: Pick<ObservedNetwork, 'links'>,
  tunnels: readonly string[],
): Map<string, string> {
  const names = new Map(observed.links.map((link) => [link.index, link.name]));
  const addresses = peers
    .flatMap((peer) => [peer.publicIp, peer.publicIpV6])
    .filter((ip) => ip !== undefined);
  const direct = new Map<string, string>();
  for (const [index, route] of kernel.routesTo(addresses).entries()) {
    const address = addresses[index];
    const name = route?.oif === undefined ? undefined : names.get(route.oif);
    if (!address || !route || name === undefined || route.gateway || route.nextHops) continue;
    // The node's own address, or one behind the tunnel itself, is no neighbour.
    if (route.type !== RTN.UNICAST || tunnels.includes(name)) continue;
    direct.set(formatIp(address), name);
  }
  return direct;
}
