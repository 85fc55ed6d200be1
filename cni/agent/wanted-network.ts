/**
 * What the kernel should hold for one lease of the node and one choice of interfaces, kept up to date peer by peer, so
 * that one that joins costs the same among five as among five thousand. Pure.
 */

import type { NodeLease } from '../../shared/store/registry.ts';
import type { Backend, NodeContext } from './backends/backend.ts';
import { withBase } from './backends/desired.ts';
import { type PeerDelta, PeerTable, type SkippedPeer } from './backends/peer-table.ts';
import { sameButExpiry } from './leases/lease-json.ts';
import type { ChangedPeer, PeerView } from './leases/peer-set.ts';
import type { DesiredNetwork, DesiredRoute, Entries } from './network/desired.ts';

export class WantedNetwork {
  readonly #backend: Backend;
  readonly #context: NodeContext;
  readonly #ownRoutes: readonly DesiredRoute[];
  readonly #table: PeerTable;
  readonly #leases = new Map<string, NodeLease>();
  #version: number;
  #network: DesiredNetwork | undefined;

  /** @param ownRoutes routes that no backend knows of */
  constructor(backend: Backend, context: NodeContext, peers: PeerView, ownRoutes: readonly DesiredRoute[]) {
    this.#backend = backend;
    this.#context = context;
    this.#ownRoutes = ownRoutes;
    this.#version = peers.version;
    this.#table = new PeerTable(backend, context, peers.leases);
    for (const lease of peers.leases) this.#leases.set(lease.node, lease);
  }

  /** All of it: the same object until a peer changes. */
  get network(): DesiredNetwork {
    if (!this.#network) {
      const network = withBase(this.#backend, this.#context, this.#table);
      this.#network =
        this.#ownRoutes.length === 0
          ? network
          : { ...network, routes: [...network.routes, ...this.#ownRoutes] };
    }
    return this.#network;
  }

  /** Peers that cannot be reached, and why. */
  get skipped(): readonly SkippedPeer[] {
    return this.#table.skipped();
  }

  /** Takes over the peers as they are now, and tells which entries went and which came. */
  update(peers: PeerView): PeerDelta {
    const merged = new Merged();
    for (const { node, lease } of peers.changedSince(this.#version) ?? this.#compare(peers.leases)) {
      const old = this.#leases.get(node);
      if (lease) {
        this.#leases.set(node, lease);
        if (!old || !sameButExpiry(old, lease)) merged.add(this.#table.set(lease));
      } else if (this.#leases.delete(node)) {
        merged.add(this.#table.remove(node));
      }
    }
    this.#version = peers.version;
    if (merged.any) this.#network = undefined;
    return merged.delta;
  }

  #compare(leases: readonly NodeLease[]): ChangedPeer[] {
    const changed: ChangedPeer[] = [];
    for (const lease of leases)
      if (this.#leases.get(lease.node) !== lease) changed.push({ node: lease.node, lease });
    const there = new Set(leases.map(({ node }) => node));
    for (const node of this.#leases.keys()) if (!there.has(node)) changed.push({ node });
    return changed;
  }
}

/** Several changes in a row as one: what came and went again, or went and came again, is in neither list. */
class Merged {
  readonly #lists = {
    neighbours: new Difference<Entries['neighbours'][number]>(),
    fdb: new Difference<Entries['fdb'][number]>(),
    routes: new Difference<Entries['routes'][number]>(),
    wireguardPeers: new Difference<Entries['wireguardPeers'][number]>(),
  };
  any = false;

  add({ before, after }: PeerDelta): void {
    this.any = true;
    this.#lists.neighbours.add(before.neighbours, after.neighbours);
    this.#lists.fdb.add(before.fdb, after.fdb);
    this.#lists.routes.add(before.routes, after.routes);
    this.#lists.wireguardPeers.add(before.wireguardPeers, after.wireguardPeers);
  }

  get delta(): PeerDelta {
    const { neighbours, fdb, routes, wireguardPeers } = this.#lists;
    const of = (side: 'gone' | 'come'): Entries => ({
      neighbours: [...neighbours[side]],
      fdb: [...fdb[side]],
      routes: [...routes[side]],
      wireguardPeers: [...wireguardPeers[side]],
    });
    return { before: of('gone'), after: of('come') };
  }
}

/** Entries by identity: a row of the table keeps its own as long as its lease says the same. */
class Difference<T> {
  readonly gone = new Set<T>();
  readonly come = new Set<T>();

  add(before: readonly T[], after: readonly T[]): void {
    for (const entry of before) if (!this.come.delete(entry)) this.gone.add(entry);
    for (const entry of after) if (!this.gone.delete(entry)) this.come.add(entry);
  }
}
