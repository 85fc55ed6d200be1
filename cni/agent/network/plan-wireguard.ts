/** WireGuard's peers: what is missing, wrong or stale on the devices that stay. Pure. */

import { type Cidr, cidrEquals } from '../../../shared/ip/cidr.ts';
import { ipEquals } from '../../../shared/ip/ip.ts';
import type { Change } from './change.ts';
import type { DesiredWireguardPeer } from './desired.ts';
import type { ObservedWireguard, ObservedWireguardPeer } from './observed.ts';
import type { EntryPlan } from './plan-entries.ts';

/**
 * A session lives this long after its handshake (REJECT_AFTER_TIME, the WireGuard paper section 6.1), in ms: until then
 * the peer is known to be where it was last heard.
 */
export const SESSION_MS = 180_000;

/** @param kept the managed devices that stay: index → name */
export function planWireguardPeers(
  desired: readonly DesiredWireguardPeer[],
  observed: readonly ObservedWireguard[],
  kept: ReadonlyMap<number, string>,
): EntryPlan {
  const found = new Map<string, Map<string, ObservedWireguardPeer>>();
  for (const device of observed) {
    const name = kept.get(device.index);
    if (name === undefined) continue;
    found.set(name, new Map(device.peers.map((peer) => [keyOf(peer.publicKey), peer])));
  }
  const set: Change[] = [];
  for (const peer of desired) {
    const peers = found.get(peer.device);
    const key = keyOf(peer.publicKey);
    const there = peers?.get(key);
    peers?.delete(key);
    const endpoint = !there || !isWhereItShouldBe(there, peer);
    if (endpoint || !isRight(there, peer)) set.push({ kind: 'set-wireguard-peer', peer, endpoint });
  }
  const stale: Change[] = [];
  for (const [device, peers] of found) {
    for (const { publicKey } of peers.values())
      stale.push({ kind: 'delete-wireguard-peer', device, publicKey });
  }
  return { set, delete: stale };
}

/** A peer that talks from elsewhere, behind NAT or after a move, is answered there: that is WireGuard's roaming. */
function isWhereItShouldBe(there: ObservedWireguardPeer, want: DesiredWireguardPeer): boolean {
  const { endpoint, handshakeAgeMs = Number.POSITIVE_INFINITY } = there;
  if (!endpoint) return false;
  if (endpoint.port === want.endpoint.port && ipEquals(endpoint.ip, want.endpoint.ip)) return true;
  return handshakeAgeMs < SESSION_MS;
}

function isRight(there: ObservedWireguardPeer, want: DesiredWireguardPeer): boolean {
  const sameKey =
    there.presharedKey && want.presharedKey
      ? want.presharedKey.equals(there.presharedKey.reveal())
      : there.presharedKey === want.presharedKey;
  return sameKey && there.keepalive === want.keepalive && sameNetworks(there.allowedIps, want.allowedIps);
}

/** In any order. */
function sameNetworks(a: readonly Cidr[], b: readonly Cidr[]): boolean {
  return a.length === b.length && a.every((one) => b.some((other) => cidrEquals(one, other)));
}

function keyOf(publicKey: Uint8Array): string {
  return publicKey.toHex();
}
