/**
 * Tells an endpoint that somebody set from one that WireGuard found by itself. A peer roams by a packet of its, which
 * counts (wg_socket_set_peer_endpoint_from_skb and update_rx_stats, drivers/net/wireguard/receive.c): one that has another
 * endpoint, and of which nothing was received meanwhile, was moved by hand. Pure.
 */

import { formatIp } from '../../../shared/ip/ip.ts';
import type { Endpoint } from './desired.ts';
import type { ObservedWireguard, ObservedWireguardPeer } from './observed.ts';

/** Where peers are, by their public keys in hex. */
export type Whereabouts = ReadonlyMap<string, Pick<ObservedWireguardPeer, 'endpoint' | 'rxBytes'>>;

export class WireguardMoves {
  /** The endpoint that was set, by device and peer. */
  readonly #moved = new Map<string, string>();

  /** @param index of the device that was looked at twice, soon one after the other */
  notice(index: number, before: Whereabouts, after: Whereabouts): void {
    for (const [key, { endpoint, rxBytes }] of after) {
      const last = before.get(key);
      if (!last?.endpoint || !endpoint || last.rxBytes !== rxBytes) continue;
      const text = textOf(endpoint);
      if (text !== textOf(last.endpoint)) this.#moved.set(`${index} ${key}`, text);
    }
  }

  /**
   * Devices as they are, but that a peer which was moved, and still is where it was moved to, counts as one that was not
   * heard: it may be set to where it should be.
   */
  unheard(devices: readonly ObservedWireguard[]): readonly ObservedWireguard[] {
    if (this.#moved.size === 0) return devices;
    const still = new Set<string>();
    const seen = devices.map((device) => ({
      ...device,
      peers: device.peers.map((peer) => {
        const key = `${device.index} ${peer.publicKey.toHex()}`;
        if (!peer.endpoint || this.#moved.get(key) !== textOf(peer.endpoint)) return peer;
        still.add(key);
        const { handshakeAgeMs: _, ...unheard } = peer;
        return unheard;
      }),
    }));
    for (const key of this.#moved.keys()) if (!still.has(key)) this.#moved.delete(key);
    return seen;
  }
}

function textOf({ ip, port }: Endpoint): string {
  return `${formatIp(ip)} ${port}`;
}
