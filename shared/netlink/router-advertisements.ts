/** Which interfaces have to go on listening to router advertisements once the node forwards IPv6. Pure. */

import { type Address, IFA_F, SCOPE } from './codec/address.ts';
import { IFF, type Link } from './codec/link.ts';
import { type Route, RTPROT } from './codec/route.ts';

/** The links, addresses and IPv6 routes of a network namespace; those of IPv4 may be among them. */
export interface AdvertisedNetwork {
  readonly links: readonly Link[];
  readonly addresses: readonly Address[];
  readonly routes: readonly Route[];
}

/** What is known of interfaces beyond what the kernel tells, by name. */
export interface KnownInterfaces {
  /** Those towards the other nodes: they count as listening, since the first advertisement may be still to come. */
  readonly underlays?: readonly string[];
  /** Those that must not listen: the tunnel's. */
  readonly deaf?: readonly string[];
}

/**
 * The `accept_ra` parameters that have to become 2 before forwarding of IPv6 is switched on, or at once where it is on.
 *
 * A host that forwards takes itself for a router: it ignores advertisements unless told otherwise (accept_ra=2), and
 * switching forwarding on drops the default routes learned from them (Documentation/networking/ip-sysctl.rst). So an
 * interface whose addresses or routes come from advertisements would lose them. One where somebody chose another value
 * than the kernel's 1 is left alone.
 *
 * @param read the current value of a parameter; `undefined` where the kernel has no such parameter
 */
export function acceptRaToRaise(
  network: AdvertisedNetwork,
  read: (key: string) => string | undefined,
  known: KnownInterfaces = {},
): string[] {
  return network.links
    .filter((link) => listens(link, network, known))
    .map(({ name }) => `net/ipv6/conf/${name}/accept_ra`)
    .filter((key) => read(key) === '1');
}

function listens(link: Link, network: AdvertisedNetwork, known: KnownInterfaces): boolean {
  if ((link.flags & IFF.LOOPBACK) !== 0 || known.deaf?.includes(link.name)) return false;
  if (known.underlays?.includes(link.name)) return true;
  const hasRoute = network.routes.some(
    (route) =>
      route.protocol === RTPROT.RA &&
      (route.oif === link.index || route.nextHops?.some((hop) => hop.oif === link.index)),
  );
  const hasAddress = network.addresses.some(
    ({ index, address, scope, flags, protocol }) =>
      index === link.index &&
      address.ip.family === 6 &&
      (protocol === IFAPROT_KERNEL_RA ||
        // A kernel that does not say who made it: one that it made from an advertisement has an end.
        (protocol === undefined && scope === SCOPE.UNIVERSE && (flags & IFA_F.PERMANENT) === 0)),
  );
  return hasRoute || hasAddress;
}

/** Who made an address: the kernel, out of an advertisement. include/uapi/linux/if_addr.h (since Linux 5.18). */
const IFAPROT_KERNEL_RA = 2;
