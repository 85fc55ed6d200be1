/** What the kernel holds, as far as the agent looks at it. */

import type { Cidr } from '../../../shared/ip/cidr.ts';
import type { Address } from '../../../shared/netlink/codec/address.ts';
import type { FdbEntry } from '../../../shared/netlink/codec/fdb.ts';
import type { Link } from '../../../shared/netlink/codec/link.ts';
import type { Neighbour } from '../../../shared/netlink/codec/neighbour.ts';
import type { Route } from '../../../shared/netlink/codec/route.ts';
import type { Endpoint } from './desired.ts';
import type { Secret } from './secret.ts';

/**
 * Links, addresses and the main table's routes of a network namespace; neighbours, FDB and WireGuard's peers of some
 * devices only.
 */
export interface ObservedNetwork {
  readonly links: readonly Link[];
  readonly addresses: readonly Address[];
  readonly routes: readonly Route[];
  readonly neighbours: readonly Neighbour[];
  readonly fdb: readonly FdbEntry[];
  readonly wireguard: readonly ObservedWireguard[];
}

/** A WireGuard device without what is secret. */
export interface ObservedWireguard {
  readonly index: number;
  /** Absent: it has no key. */
  readonly publicKey?: Uint8Array;
  readonly listenPort: number;
  readonly peers: readonly ObservedWireguardPeer[];
}

export interface ObservedWireguardPeer {
  readonly publicKey: Uint8Array;
  readonly presharedKey?: Secret;
  /** Absent until it is told or the peer is heard. */
  readonly endpoint?: Endpoint;
  readonly allowedIps: readonly Cidr[];
  /** Seconds; 0: off. */
  readonly keepalive: number;
  /** How long ago the last handshake was, in ms by the wall clock; absent: there was none. */
  readonly handshakeAgeMs?: number;
  readonly rxBytes: number;
  readonly txBytes: number;
}

/** The link of a name. */
export function linkNamed(observed: Pick<ObservedNetwork, 'links'>, name: string): Link | undefined {
  return observed.links.find((link) => link.name === name);
}
