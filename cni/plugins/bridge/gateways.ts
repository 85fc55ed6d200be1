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

/** How the bridge's addresses must change. */
export interface BridgeAddressPlan {
  readonly add: readonly Cidr[];
  readonly remove: readonly Cidr[];
}

/** The bridge has an address that this network's gateway cannot live beside. */
export class AddressConflict extends Error {
  override readonly name = 'AddressConflict';
  readonly present: Cidr;
  readonly wanted: Cidr;

  constructor(present: Cidr, wanted: Cidr) {
    super('conflicting addresses');
    this.present = present;
    this.wanted = wanted;
  }
}

/**
 * Compares the bridge's addresses with the gateways it must have. As upstream: any other IPv4 address conflicts, an
 * IPv6 one only where the subnets overlap; `forceAddress` removes what conflicts. Unlike upstream, gateways of the
 * same pod do not conflict with each other, so two IPv4 range sets work.
 *
 * @throws AddressConflict
 */
export function planBridgeAddresses(
  present: readonly Cidr[],
  gateways: readonly Cidr[],
  forceAddress: boolean,
): BridgeAddressPlan {
  const add: Cidr[] = [];
  const remove: Cidr[] = [];
  for (const wanted of gateways) {
    if (isAmong(present, wanted)) continue;
    add.push(wanted);
    for (const address of present) {
      if (isAmong(gateways, address) || !conflicts(address, wanted)) continue;
      if (!forceAddress) throw new AddressConflict(address, wanted);
      if (!isAmong(remove, address)) remove.push(address);
    }
  }
  return { add, remove };
}

function isAmong(addresses: readonly Cidr[], wanted: Cidr): boolean {
  for (const address of addresses) if (cidrEquals(address, wanted)) return true;
  return false;
}

function conflicts(present: Cidr, wanted: Cidr): boolean {
  if (present.ip.family !== wanted.ip.family) return false;
  return wanted.ip.family === 4 || contains(present, wanted.ip) || contains(wanted, present.ip);
}
