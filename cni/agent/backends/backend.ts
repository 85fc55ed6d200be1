/**
 * What carries packets between nodes. A backend is pure: it says what a node tells the others and what the kernel
 * should hold; the agent reads the kernel, compares, and sends the difference. To add one, write its file beside this
 * one and put it into registry.ts.
 */

import type { BackendConf } from '../../../shared/config/net-conf.ts';
import type { BackendInfo, NodeLease } from '../../../shared/store/registry.ts';
import type { DesiredNetwork } from '../network/desired.ts';
import type { ObservedNetwork } from '../network/observed.ts';
import type { Underlay } from '../underlay.ts';

/** One interface a family that the cluster has. */
export interface Underlays {
  readonly v4?: Underlay;
  readonly v6?: Underlay;
}

export interface DesiredInput {
  /** The node's own lease. */
  readonly lease: NodeLease;
  readonly underlays: Underlays;
  readonly peers: readonly NodeLease[];
  /**
   * The name of the interface by which a public address is reached without a gateway, by the address in text; only
   * filled for a backend with `directRouting`.
   */
  readonly direct: ReadonlyMap<string, string>;
}

export interface Desired {
  readonly network: DesiredNetwork;
  /** Peers that cannot be reached with what they published, and why. */
  readonly skipped: readonly SkippedPeer[];
}

export interface SkippedPeer {
  readonly node: string;
  readonly why: string;
}

export interface Backend {
  /** As in net-conf.json's `Backend.Type`. */
  readonly type: string;
  /** Wants to know which peers are on the same link. */
  readonly directRouting: boolean;
  /** Names of the devices that the backend makes: what the agent reads neighbours and forwarding entries of. */
  readonly devices: readonly string[];
  /**
   * What the node publishes. What it published before, and what its devices are, is kept: peers then need not change
   * anything when an agent restarts.
   */
  publish(before: NodeLease | undefined, observed: ObservedNetwork): BackendInfo;
  /** MTU of pods' interfaces, in bytes. */
  podMtu(underlays: Underlays): number;
  desired(input: DesiredInput): Desired;
}

/** Makes a backend for the families that the cluster has. @throws NetConfError on options that it does not take */
export type BackendBuilder = (
  conf: BackendConf,
  families: { readonly v4: boolean; readonly v6: boolean },
) => Backend;
