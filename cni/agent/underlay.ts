/** By which interface and address this node reaches the others: flanneld's rules. Pure. */

import { formatIp, type Ip, ipEquals, isLinkLocal, isLoopback, parseIp } from '../../shared/ip/ip.ts';
import { type Address, IFA_F, SCOPE } from '../../shared/netlink/codec/address.ts';
import type { Link } from '../../shared/netlink/codec/link.ts';
import { type Route, RTN } from '../../shared/netlink/codec/route.ts';
import type { ObservedNetwork } from './network/observed.ts';
import type { UnderlayOptions } from './options.ts';

/** The choice for one IP family. */
export interface Underlay {
  readonly family: 4 | 6;
  readonly index: number;
  readonly name: string;
  /** Bytes. */
  readonly mtu: number;
  /** The interface's address: where tunnels start. */
  readonly address: Ip;
  /** What other nodes are told. */
  readonly publicIp: Ip;
}

export type UnderlayChoice = { readonly underlay: Underlay } | { readonly problem: string };

/**
 * Chooses. An interface that has the public address wins. What is in use already stays as long as its interface has the address, so that a second default route or
 * a failover does not move a node's tunnels.
 *
 * @param routeTo the route to `iface-can-reach`, where that is given
 */
export function chooseUnderlay(
  family: 4 | 6,
  options: UnderlayOptions,
  observed: ObservedNetwork,
  routeTo: Route | undefined,
  current?: Underlay,
): UnderlayChoice {
  const found =
    byPublicIp(family, options, observed) ??
    (current && stillThere(current, observed)) ??
    find(family, options, observed, routeTo);
  if ('problem' in found) return found;
  const { link, address } = found;
  const publicIp = (family === 4 ? options.publicIp : options.publicIpV6) ?? address;
  return {
    underlay: { family, index: link.index, name: link.name, mtu: link.mtu ?? 1500, address, publicIp },
  };
}

/** True if both mean the same tunnels. */
export function sameUnderlay(a: Underlay | undefined, b: Underlay | undefined): boolean {
  if (!a || !b) return a === b;
  return (
    a.index === b.index &&
    a.mtu === b.mtu &&
    ipEquals(a.address, b.address) &&
    ipEquals(a.publicIp, b.publicIp)
  );
}

interface Found {
  readonly link: Link;
  readonly address: Ip;
}

function stillThere(current: Underlay, observed: ObservedNetwork): Found | undefined {
  const link = observed.links.find((candidate) => candidate.index === current.index);
  const address = observed.addresses.find(
    (candidate) => candidate.index === current.index && ipEquals(candidate.address.ip, current.address),
  );
  return link && address && { link, address: current.address };
}

function find(
  family: 4 | 6,
  options: UnderlayOptions,
  observed: ObservedNetwork,
  routeTo: Route | undefined,
): Found | { readonly problem: string } {
  const tried: string[] = [];
  for (const wanted of options.interfaces) {
    const found = byNameOrAddress(wanted, family, observed);
    if (found) return found;
    tried.push(`--iface=${wanted}`);
  }
  for (const pattern of options.patterns) {
    const found = byPattern(pattern, family, observed);
    if (found) return found;
    tried.push(`--iface-regex=${pattern.source}`);
  }
  if (options.canReach?.family === family) {
    const found =
      routeTo?.oif === undefined ? undefined : onLink(routeTo.oif, family, observed, routeTo.preferredSource);
    if (found) return found;
    tried.push(`--iface-can-reach=${formatIp(options.canReach)}`);
  }
  if (tried.length > 0)
    return { problem: `no interface with an IPv${family} address matches ${tried.join(' or ')}` };
  return byDefaultRoute(family, observed);
}

/**
 * The interface with the address that the others are told, unless one is named: flanneld's choice, too, but behind NAT,
 * where no interface has it, flanneld ends.
 */
function byPublicIp(
  family: 4 | 6,
  { interfaces, patterns, canReach, publicIp, publicIpV6 }: UnderlayOptions,
  observed: ObservedNetwork,
): Found | undefined {
  if (interfaces.length > 0 || patterns.length > 0 || canReach) return undefined;
  for (const ip of family === 4 ? [publicIp, publicIpV6] : [publicIpV6, publicIp]) {
    const found = ip && byNameOrAddress(formatIp(ip), family, observed);
    if (found) return found;
  }
  return undefined;
}

function byDefaultRoute(family: 4 | 6, observed: ObservedNetwork): Found | { readonly problem: string } {
  const defaults = observed.routes
    .filter(
      (route) =>
        route.destination.prefix === 0 &&
        route.destination.ip.family === family &&
        route.type === RTN.UNICAST,
    )
    .sort((a, b) => (a.priority ?? 0) - (b.priority ?? 0));
  for (const route of defaults) {
    const index = route.oif ?? route.nextHops?.[0]?.oif;
    const found = index === undefined ? undefined : onLink(index, family, observed, route.preferredSource);
    if (found) return found;
  }
  const why =
    defaults.length === 0
      ? `there is no IPv${family} default route`
      : `its interface has no IPv${family} address`;
  return { problem: `${why}: name the interface with --iface` };
}

function byNameOrAddress(wanted: string, family: 4 | 6, observed: ObservedNetwork): Found | undefined {
  const ip = parseIp(wanted);
  if (!ip) {
    const link = observed.links.find((candidate) => candidate.name === wanted);
    return link && onLink(link.index, family, observed);
  }
  const owner = observed.addresses.find((address) => ipEquals(address.address.ip, ip));
  // An address of one family names the interface for both.
  return owner && onLink(owner.index, family, observed, ip.family === family ? ip : undefined);
}

function byPattern(pattern: RegExp, family: 4 | 6, observed: ObservedNetwork): Found | undefined {
  for (const link of observed.links) {
    const matching = observed.addresses.find(
      (address) => address.index === link.index && pattern.test(formatIp(address.address.ip)),
    );
    if (matching) {
      const { ip } = matching.address;
      return onLink(link.index, family, observed, ip.family === family ? ip : undefined);
    }
  }
  for (const link of observed.links) {
    const found = pattern.test(link.name) ? onLink(link.index, family, observed) : undefined;
    if (found) return found;
  }
  return undefined;
}

function onLink(index: number, family: 4 | 6, observed: ObservedNetwork, wanted?: Ip): Found | undefined {
  const link = observed.links.find((candidate) => candidate.index === index);
  if (!link) return undefined;
  if (wanted) return { link, address: wanted };
  const usable = observed.addresses.filter((address) => address.index === index && isUsable(address, family));
  // One that is neither temporary nor an alias, if there is one.
  const address = usable.find((candidate) => (candidate.flags & IFA_F.SECONDARY) === 0) ?? usable[0];
  return address && { link, address: address.address.ip };
}

function isUsable({ address, flags, scope }: Address, family: 4 | 6): boolean {
  const unusable = IFA_F.DEPRECATED | IFA_F.TENTATIVE | IFA_F.DADFAILED;
  return (
    address.ip.family === family &&
    scope === SCOPE.UNIVERSE &&
    (flags & unusable) === 0 &&
    !isLoopback(address.ip) &&
    !isLinkLocal(address.ip)
  );
}
