/**
 * What carries packets between nodes. A backend is pure: it says what a node tells the others and what the kernel
 * should hold; the agent reads the kernel, compares, and sends the difference. To add one, write its file beside this
 * one and put it into registry.ts.
 *
 * What belongs to one peer is computed from that peer alone (`peer`), so that one that joins costs the same among five
 * as among five thousand. What two peers cannot both have, they claim; PeerTable (peer-table.ts) settles that.
 */

import type { BackendConf } from '../../../shared/config/net-conf.ts';
import type { Cidr } from '../../../shared/ip/cidr.ts';
import type { Ip } from '../../../shared/ip/ip.ts';
import type { BackendInfo, NodeLease } from '../../../shared/store/registry.ts';
import type { DesiredDevice, DesiredRoute, Entries } from '../network/desired.ts';
import type { Key } from '../network/keys.ts';
import type { ObservedNetwork } from '../network/observed.ts';
import type { Underlay } from '../underlay.ts';
import type { WireguardKey } from './wireguard-key.ts';

/** One interface a family that the cluster has. */
export interface Underlays {
  readonly v4?: Underlay;
  readonly v6?: Underlay;
}

/** What the node itself contributes: what every peer's entries depend on. */
export interface NodeContext {
  /** The node's own lease. */
  readonly lease: NodeLease;
  readonly underlays: Underlays;
  /** The name of the interface by which an address is reached without a gateway: see direct-routes.ts. */
  readonly direct: (ip: Ip) => string | undefined;
}

/** What is there before any peer. */
export interface Base {
  readonly devices: readonly DesiredDevice[];
  readonly routes: readonly DesiredRoute[];
}

/** Something that only one node can have: of several that claim it the first by name gets it, and the others wait. */
export interface Claim {
  /** What it is, in words: `VtepMAC`. */
  readonly what: string;
  /** Keys of different spaces never meet. */
  readonly space: string;
  readonly key: Key | string;
}

/** One way to a peer, in most backends one a family. */
export interface PeerPath {
  readonly entries: Partial<Entries>;
  readonly claims: readonly Claim[];
}

export interface Backend {
  /** As in net-conf.json's `Backend.Type`. */
  readonly type: string;
  /** Asks which peers are on the same link. */
  readonly usesDirect: boolean;
  /** Names of the devices that the backend makes: what the agent reads neighbours and forwarding entries of. */
  readonly devices: readonly string[];
  /**
   * What the node publishes. What it published before, and what its devices are, is kept: peers then need not change
   * anything when an agent restarts.
   */
  publish(before: NodeLease | undefined, observed: Pick<ObservedNetwork, 'links'>): BackendInfo;
  /** Why the node cannot take part with these interfaces, and what to do; `undefined`: it can. */
  problem?(underlays: Underlays): string | undefined;
  /** MTU of pods' interfaces, in bytes. */
  podMtu(underlays: Underlays): number;
  base(context: NodeContext): Base;
  /** The ways to one peer; a text is why there is none of that family. Looks at nothing but its arguments. */
  peer(lease: NodeLease, context: NodeContext): readonly (PeerPath | string)[];
}

/** What backends are made for. */
export interface BackendSetting {
  /** The cluster's networks, of the families that it has. */
  readonly networks: { readonly v4?: Cidr; readonly v6?: Cidr };
  /** The node's key; only asked for by a backend that needs one. */
  readonly wireguardKey: () => WireguardKey;
}

/** Makes a backend. @throws NetConfError on options that it does not take */
export type BackendBuilder = (conf: BackendConf, setting: BackendSetting) => Backend;
