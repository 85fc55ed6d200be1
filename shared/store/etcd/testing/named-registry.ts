/**
 * Names for etcd's nodes, so that the contract suite, which speaks of nodes by name, can be asked of it: whoever registers
 * through one of the handles that share a `Names` is shown by its name to all of them.
 */

import type {
  LeaseBatch,
  LeaseEvent,
  LeaseList,
  NodeInfo,
  NodeLease,
  NodeRegistry,
  WantedSubnets,
} from '../../registry.ts';
import { subnetName } from '../keys.ts';

/** Names by the last part of keys. */
export type Names = Map<string, string>;

export class NamedRegistry implements NodeRegistry {
  readonly #inner: NodeRegistry;
  readonly #names: Names;

  constructor(inner: NodeRegistry, names: Names) {
    this.#inner = inner;
    this.#names = names;
  }

  async acquire(info: NodeInfo, want?: WantedSubnets): Promise<NodeLease> {
    const lease = await this.#inner.acquire(info, want);
    this.#names.set(subnetName(lease), info.name);
    return lease;
  }

  renew(info: NodeInfo): Promise<NodeLease> {
    return this.#inner.renew(info);
  }

  release(node: string): Promise<boolean> {
    const key = [...this.#names].find(([, name]) => name === node)?.[0];
    return this.#inner.release(key ?? node);
  }

  async list(): Promise<LeaseList> {
    const list = await this.#inner.list();
    const leases = list.leases.map((lease) => ({ ...lease, node: this.#nameOf(lease.node) }));
    return { ...list, leases: leases.sort((a, b) => (a.node < b.node ? -1 : 1)) };
  }

  async *watch(version: string, signal: AbortSignal): AsyncGenerator<LeaseBatch, void, undefined> {
    for await (const { events, version: next } of this.#inner.watch(version, signal)) {
      // A put is heard of before the call that made it has returned.
      await new Promise((resolve) => setTimeout(resolve, 20));
      yield { events: events.map((event) => this.#renamed(event)), version: next };
    }
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.#inner[Symbol.asyncDispose]();
  }

  #renamed(event: LeaseEvent): LeaseEvent {
    if (event.type === 'removed') return { ...event, node: this.#nameOf(event.node) };
    return { ...event, lease: { ...event.lease, node: this.#nameOf(event.lease.node) } };
  }

  #nameOf(node: string): string {
    return this.#names.get(node) ?? node;
  }
}
