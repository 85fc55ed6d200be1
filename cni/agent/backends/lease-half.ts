/** What a lease says about one IP family, and the questions that every backend asks about it. Pure. */

import { type Cidr, overlaps } from '../../../shared/ip/cidr.ts';
import { formatIp, type Ip, ipEquals } from '../../../shared/ip/ip.ts';
import type { Json, NodeLease } from '../../../shared/store/registry.ts';
import { cidrKey } from '../network/keys.ts';
import type { Underlay } from '../underlay.ts';
import type { Claim, Underlays } from './backend.ts';

export interface LeaseHalf {
  readonly subnet: Cidr | undefined;
  readonly publicIp: Ip | undefined;
  readonly data: Json | undefined;
}

export function halfOf(lease: NodeLease, family: 4 | 6): LeaseHalf {
  return family === 4
    ? { subnet: lease.subnet, publicIp: lease.publicIp, data: lease.backend.data }
    : { subnet: lease.subnetV6, publicIp: lease.publicIpV6, data: lease.backend.v6Data };
}

export function underlayOf(underlays: Underlays, family: 4 | 6): Underlay | undefined {
  return family === 4 ? underlays.v4 : underlays.v6;
}

/** Why a node of another backend cannot be reached, or `undefined`. */
export function otherBackend(peer: NodeLease, type: string): string | undefined {
  return peer.backend.type === type ? undefined : `its backend is ${peer.backend.type}, ours is ${type}`;
}

/** Why a peer cannot be told from the node itself, or `undefined`. */
export function clashWithOwn(
  subnet: Cidr,
  publicIp: Ip,
  own: LeaseHalf,
  underlay: Underlay,
): string | undefined {
  if (ipEquals(publicIp, underlay.publicIp)) return `its public address ${formatIp(publicIp)} is our own`;
  return overlapsOwn(subnet, own) ? 'its subnet overlaps our own' : undefined;
}

/** Subnets of one length, which is the rule, overlap only if they are the same: a comparison instead of arithmetic. */
export function overlapsOwn(subnet: Cidr, own: LeaseHalf): boolean {
  if (!own.subnet) return false;
  return subnet.prefix === own.subnet.prefix
    ? ipEquals(subnet.ip, own.subnet.ip)
    : overlaps(subnet, own.subnet);
}

/**
 * Two nodes cannot have the same subnet. One within the other's is no clash: the longer prefix wins, in the kernel's
 * tables as in WireGuard's.
 */
export function subnetClaim(subnet: Cidr): Claim {
  return { what: 'subnet', space: 'subnet', key: cidrKey(subnet) };
}
