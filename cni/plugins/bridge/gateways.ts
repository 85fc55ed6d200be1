/** What an IPAM result means for bridge and pod. Pure. */

import type { Cidr } from '../../../shared/ip/cidr.ts';
import { cidrEquals, contains, firstIp } from '../../../shared/ip/cidr.ts';
import { addIp } from '../../../shared/ip/ip.ts';
import type { IpConfig, Result, Route } from '../../protocol/result.ts';
import type { BridgeConfig } from './config.ts';

/** Index of the container's interface in a result of bridge: bridge, host veth, container. */
export const containerIndex = 2;

/** Addresses of both sides. */
export interface AddressPlan {
  /** The pod's addresses, with their gateways. */
  readonly ips: readonly IpConfig[];
  /** The pod's routes, the default routes that isDefaultGateway adds included. */
  readonly routes: readonly Route[];
  /** What the bridge must have: the gateways, with their subnets' prefix lengths. Empty unless isGateway. */
  readonly gateways: readonly Cidr[];
}

/**
 * With isGateway an address without a gateway gets its subnet's first address as one. With isDefaultGateway each
 * family gets a default route by its first gateway, unless IPAM has one with a gateway already.
 */
export function planAddresses(
  ipam: Pick<Result, 'ips' | 'routes'>,
  config: Pick<BridgeConfig, 'isGateway' | 'isDefaultGateway'>,
): AddressPlan {
  const ips: IpConfig[] = [];
  const gateways: Cidr[] = [];
  const routes = [...ipam.routes];
  for (const { address, gateway: given } of ipam.ips) {
    const gateway = given ?? (config.isGateway ? addIp(firstIp(address), 1n) : undefined);
    ips.push({ address, ...(gateway === undefined ? {} : { gateway }), interface: containerIndex });
    if (gateway === undefined) continue;
    if (config.isGateway) gateways.push({ ip: gateway, prefix: address.prefix });
    const { family } = address.ip;
    if (config.isDefaultGateway && !hasDefaultRoute(routes, family)) {
      routes.push({ dst: { ip: { family, value: 0n }, prefix: 0 }, gw: gateway });
    }
  }
  return { ips, routes, gateways };
}

function hasDefaultRoute(routes: readonly Route[], family: 4 | 6): boolean {
  for (const { dst, gw } of routes) if (gw && dst.ip.family === family && dst.prefix === 0) return true;
  return false;
}

/**
 * The bridge's addresses that `added`, which it has just got, cannot live beside. As upstream: any other IPv4 address,
 * an IPv6 one only where the subnets overlap. Unlike upstream, gateways of the same pod do not conflict with each
 * other, so two IPv4 range sets work.
 */
export function findConflicts(
  present: readonly Cidr[],
  gateways: readonly Cidr[],
  added: readonly Cidr[],
): readonly Cidr[] {
  const others = present.filter((address) => !gateways.some((gateway) => cidrEquals(gateway, address)));
  return others.filter((address) => added.some((gateway) => conflicts(address, gateway)));
}

/**
 * The bridge's IPv6 addresses in networks that pods reach by a gateway of this bridge: of a subnet that the node had before,
 * which is another node's by now or will be. The bridge's own route would draw what goes there. Beside other networks an
 * address may stay, as upstream has it: the bridge may be shared.
 */
export function findStale(
  present: readonly Cidr[],
  { gateways, routes }: Pick<AddressPlan, 'gateways' | 'routes'>,
): readonly Cidr[] {
  const beyond = routes.flatMap(({ dst, gw }) => (dst.prefix > 0 && gw === undefined ? [dst] : []));
  return present.filter(
    ({ ip, prefix }) =>
      ip.family === 6 &&
      beyond.some((network) => prefix > network.prefix && contains(network, ip)) &&
      !gateways.some((gateway) => contains(gateway, ip)),
  );
}

function conflicts(present: Cidr, wanted: Cidr): boolean {
  if (present.ip.family !== wanted.ip.family) return false;
  return wanted.ip.family === 4 || contains(present, wanted.ip) || contains(wanted, present.ip);
}
