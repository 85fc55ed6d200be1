import { LeaseLostError, NameInUseError } from '../errors.ts';
import type { KubeObject } from '../kube-object.ts';
import { describeClash } from '../name-clash.ts';
import { cidrsOf, isLeaseOver, subnetsOf, toLease, toNode, toNodeLease } from '../node-object.ts';
import type { ObjectBatch } from '../object-source.ts';
import {
  LEASE_DURATION_MS,
  type LeaseBatch,
  type LeaseEvent,
  type LeaseList,
  type NodeInfo,
  type NodeLease,
  type NodeRegistry,
  type WantedSubnets,
} from '../registry.ts';
import { mathRandom, type PodNetworks, planSubnets, type Random } from '../subnet-allocator.ts';
import { LeaseSweeper } from './lease-sweeper.ts';
import { endExpiredLeases, endLease, leaseKey, listLeases, nodeKey } from './node-records.ts';
import type { EmbeddedStore } from './store.ts';

export interface EmbeddedRegistryOptions {
  /** Where subnets are taken from. */
  readonly networks: PodNetworks;
  /** Default: 24 h. In whole seconds, since that is what a Lease can say. */
  readonly leaseDurationMs?: number;
  /** Which of the free subnets is drawn; for tests. */
  readonly random?: Random;
}

/** The registry of node leases in the embedded store. Does not own the store. */
export class EmbeddedRegistry implements NodeRegistry {
  readonly #store: EmbeddedStore;
  readonly #networks: PodNetworks;
  readonly #durationMs: number;
  readonly #random: Random;
  readonly #sweeper: LeaseSweeper;

  constructor(store: EmbeddedStore, options: EmbeddedRegistryOptions) {
    this.#store = store;
    this.#networks = options.networks;
    this.#durationMs = options.leaseDurationMs ?? LEASE_DURATION_MS;
    this.#random = options.random ?? mathRandom;
    this.#sweeper = new LeaseSweeper(store.clock, () => this.#sweep());
  }

  async acquire(info: NodeInfo, want: WantedSubnets = {}): Promise<NodeLease> {
    return this.#store.transact((transaction) => {
      endExpiredLeases(transaction);
      const node = transaction.get(nodeKey(info.name));
      const lease = transaction.get(leaseKey(info.name));
      const clash = node && lease && describeClash(info, node, lease);
      if (clash !== undefined) throw new NameInUseError(clash);
      const taken = transaction
        .list('Node')
        .filter((other) => other.metadata.name !== info.name)
        .flatMap(cidrsOf);
      const wishes = node === undefined ? [want] : [subnetsOf(node), want];
      const subnets = planSubnets(this.#networks, wishes, taken, this.#random);
      const stored = transaction.put(toNode(info, subnets, node));
      const renewed = transaction.put(toLease(info, transaction.now, this.#durationMs, lease));
      return required(toNodeLease(stored, renewed, transaction.now));
    });
  }

  async renew(info: NodeInfo): Promise<NodeLease> {
    return this.#store.transact((transaction) => {
      const node = transaction.get(nodeKey(info.name));
      const lease = transaction.get(leaseKey(info.name));
      if (node === undefined || lease === undefined || isLeaseOver(lease, transaction.now)) {
        throw new LeaseLostError(
          `node ${info.name} has no lease any more: it ran out or the node was deleted`,
        );
      }
      const clash = describeClash(info, node, lease);
      if (clash !== undefined) throw new LeaseLostError(clash);
      const stored = transaction.put(toNode(info, subnetsOf(node), node));
      const renewed = transaction.put(toLease(info, transaction.now, this.#durationMs, lease));
      return required(toNodeLease(stored, renewed, transaction.now));
    });
  }

  async release(name: string): Promise<boolean> {
    return this.#store.transact((transaction) => endLease(transaction, name));
  }

  async list(): Promise<LeaseList> {
    return this.#store.read((view, version, { epoch, rebuiltMs }) => {
      const leaseByName = new Map(listLeases(view).map((lease) => [lease.metadata.name, lease]));
      const leases = view
        .list('Node')
        .map((node) => {
          const lease = leaseByName.get(node.metadata.name);
          return lease && toNodeLease(node, lease, view.now);
        })
        .filter((lease) => lease !== undefined);
      return { leases, version, epoch, ...(rebuiltMs !== undefined && { rebuiltAt: rebuiltMs }) };
    });
  }

  async *watch(version: string, signal: AbortSignal): AsyncGenerator<LeaseBatch, void, undefined> {
    using _sweeping = this.#sweeper.subscribe();
    for await (const batch of this.#store.watchObjects(['Node', 'Lease'], version, signal)) {
      const events = this.#toLeaseEvents(batch);
      for (const event of events) {
        if (event.type === 'set')
          this.#sweeper.expect(event.lease.expiresAt - this.#store.clock.now().wallMs);
      }
      if (events.length > 0) yield { events, version: batch.version };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#sweeper[Symbol.dispose]();
  }

  #sweep(): number | undefined {
    return this.#store.transact(endExpiredLeases);
  }

  /** Node and Lease change together: what is told of a node is how both are now. */
  #toLeaseEvents(batch: ObjectBatch): LeaseEvent[] {
    const deleted = new Map<string, KubeObject>();
    const names = new Set<string>();
    for (const { type, object } of batch.events) {
      const { name } = object.metadata;
      names.add(name);
      // Of the two, the Lease says whether it had run out.
      if (type === 'deleted' && (object.kind === 'Lease' || !deleted.has(name))) deleted.set(name, object);
    }
    return this.#store.read((view) =>
      [...names].flatMap((name): LeaseEvent[] => {
        const node = view.get(nodeKey(name));
        const lease = view.get(leaseKey(name));
        const live = node && lease && toNodeLease(node, lease, view.now);
        if (live !== undefined) return [{ type: 'set', lease: live }];
        const last = deleted.get(name);
        // A reservation that comes or changes is no peer.
        if (last === undefined) return [];
        const expired = last.kind === 'Lease' && isLeaseOver(last, view.now);
        return [{ type: 'removed', node: name, reason: expired ? 'expired' : 'deleted' }];
      }),
    );
  }
}

function required(lease: NodeLease | undefined): NodeLease {
  if (lease === undefined) throw new RangeError('a lease must last for a second or more');
  return lease;
}
