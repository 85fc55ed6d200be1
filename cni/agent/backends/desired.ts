/** All that a backend wants of the kernel: its base and its peers together. Pure. */

import type { NodeLease } from '../../../shared/store/registry.ts';
import type { DesiredNetwork } from '../network/desired.ts';
import type { Backend, NodeContext } from './backend.ts';
import { PeerTable, type SkippedPeer } from './peer-table.ts';

export interface DesiredInput extends NodeContext {
  readonly peers: readonly NodeLease[];
}

export interface Desired {
  readonly network: DesiredNetwork;
  /** Peers that cannot be reached with what they published, and why. */
  readonly skipped: readonly SkippedPeer[];
}

/** What the kernel should hold for these leases. */
export function desiredNetwork(backend: Backend, input: DesiredInput): Desired {
  const table = new PeerTable(backend, input, input.peers);
  return { network: withBase(backend, input, table), skipped: table.skipped() };
}

/** What the kernel should hold for the leases in a table. */
export function withBase(backend: Backend, context: NodeContext, table: PeerTable): DesiredNetwork {
  const { devices, routes } = backend.base(context);
  const entries = table.entries();
  return {
    devices,
    neighbours: entries.neighbours,
    fdb: entries.fdb,
    wireguardPeers: entries.wireguardPeers,
    routes: routes.length === 0 ? entries.routes : [...routes, ...entries.routes],
  };
}
