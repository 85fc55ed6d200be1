/**
 * The lab's address plan. The underlay and the world outside use the prefixes reserved for documentation (RFC 5737,
 * RFC 3849), so that nothing in the lab can be mistaken for an address of the machine it runs on.
 */

/** IP families the lab is built with. */
export type IpVersions = '4' | '6' | 'dual';
export type Family = 4 | 6;

/** MTU of the underlay, in bytes: Ethernet's, as most real networks have it. */
export const UNDERLAY_MTU: number = 1500;

/** The cluster's networks, out of which every node gets its subnet. */
export const CLUSTER: Readonly<Record<Family, string>> = { 4: '10.244.0.0/16', 6: 'fd00:10:244::/48' };

/** More nodes than this would only test the machine's patience. */
export const MAX_NODES: number = 32;

/** A host on the underlay, with the prefix of the underlay where it is needed. */
export interface HostAddress {
  readonly address: string;
  readonly prefix: number;
}

/** The families that are in use, IPv4 first. */
export function families(ipv: IpVersions): readonly Family[] {
  return ipv === 'dual' ? [4, 6] : [ipv === '4' ? 4 : 6];
}

/** The underlay's own networks. */
export const UNDERLAY: Readonly<Record<Family, string>> = { 4: '192.0.2.0/24', 6: '2001:db8::/64' };

/** Underlay address of node `index` (from 1). */
export function nodeAddress(index: number, family: Family): HostAddress {
  return family === 4
    ? { address: `192.0.2.${index}`, prefix: 24 }
    : { address: `2001:db8::${index.toString(16)}`, prefix: 64 };
}

/** Underlay address of the outside host, which is also every node's default gateway. */
export function gatewayAddress(family: Family): HostAddress {
  return family === 4 ? { address: '192.0.2.254', prefix: 24 } : { address: '2001:db8::ff', prefix: 64 };
}

/** Underlay address of the servers that nodes get their leases from, where they have any. */
export function controlAddress(family: Family): HostAddress {
  return family === 4 ? { address: '192.0.2.253', prefix: 24 } : { address: '2001:db8::fe', prefix: 64 };
}

/** The pod network of node `index` where not the agent but the cluster chooses it, as a controller manager does. */
export function podCidr(index: number, family: Family): string {
  return family === 4 ? `10.244.${index}.0/24` : `fd00:10:244:${index.toString(16)}::/64`;
}

/** An address beyond the gateway: pods reach it through their node's default route only. */
export function worldAddress(family: Family): HostAddress {
  return family === 4
    ? { address: '198.51.100.1', prefix: 32 }
    : { address: '2001:db8:ffff::1', prefix: 128 };
}
