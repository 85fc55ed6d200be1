/** Leases, lists and moments for the tests of this room. */

import { type Cidr, parseCidr } from '../../../shared/ip/cidr.ts';
import { type Ip, parseIp } from '../../../shared/ip/ip.ts';
import type { Instant } from '../../../shared/store/clock.ts';
import type { LeaseList, NodeLease } from '../../../shared/store/registry.ts';
import type { KnownPeer, PeerSet } from './peer-set.ts';

export function lease(node: string, subnet: number, expiresAt = 1000): NodeLease {
  return {
    node,
    subnet: parseCidr(`10.244.${subnet}.0/24`) as Cidr,
    publicIp: parseIp(`192.0.2.${subnet}`) as Ip,
    backend: { type: 'vxlan', data: { VNI: 1, VtepMAC: '0a:00:00:00:00:01' } },
    expiresAt,
  };
}

export const names = (set: PeerSet): string[] => set.leases.map((peer) => peer.node).sort();
/** A list of a registry that lost its memory `losses` times. */
export const list = (leases: NodeLease[], losses = 0): LeaseList => ({
  leases,
  version: '1',
  epoch: `e${losses}`,
  ...(losses > 0 && { rebuiltAt: 0 }),
});
/** That many milliseconds into the test, the wall clock showing the same unless it was set. */
export const at = (ms: number, wallMs: number = ms): Instant => ({ wallMs, bootMs: ms, bootId: 'boot' });

export const known = (node: string, subnet: number): KnownPeer => ({
  lease: lease(node, subnet),
  epoch: 'e0',
  term: { renewed: at(0), durationMs: 1000 },
});
