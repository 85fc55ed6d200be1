import type { Cidr } from '../ip/cidr.ts';
import type { Ip } from '../ip/ip.ts';

/**
 * How long a node lease lasts unless it is renewed, in ms: 24 h, as flannel's etcd subnet leases do
 * (flannel, Documentation/configuration.md, "Subnet leases have a duration of 24 hours").
 */
export const LEASE_DURATION_MS: number = 24 * 60 * 60 * 1000;

/** Any value that JSON can carry. Backend data is kept as it came, unknown keys included. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** What the backend of a node tells its peers: flannel's BackendType, BackendData and BackendV6Data. */
export interface BackendInfo {
  /** `vxlan`, `host-gw`, … */
  readonly type: string;
  /** For vxlan `{"VNI":1,"VtepMAC":"…"}`; `undefined` where the backend has nothing to say for IPv4. */
  readonly data?: Json;
  readonly v6Data?: Json;
}

/** A node as it registers itself. */
export interface NodeInfo {
  /** The Kubernetes node name: a DNS-1123 subdomain. */
  readonly name: string;
  readonly publicIp?: Ip;
  readonly publicIpV6?: Ip;
  readonly backend: BackendInfo;
  /**
   * An id that lives as long as the node's state directory does. With it a second machine that was given the same
   * name by mistake is refused (`NameInUseError`) instead of sharing its namesake's subnet.
   */
  readonly instance?: string;
}

/** The subnets that a node had before, from its own state or from subnet.env. */
export interface WantedSubnets {
  readonly subnet?: Cidr;
  readonly subnetV6?: Cidr;
}

/** A registered node with its subnets: all that a peer needs to reach its pods. */
export interface NodeLease {
  readonly node: string;
  /** The network address of the node's pods (host bits are zero). */
  readonly subnet?: Cidr;
  readonly subnetV6?: Cidr;
  readonly publicIp?: Ip;
  readonly publicIpV6?: Ip;
  readonly backend: BackendInfo;
  /** Milliseconds since 1970, by the registry's clock. `Infinity` where the registry has no expiry. */
  readonly expiresAt: number;
}

export interface LeaseList {
  /** Ordered by node name; expired leases are not in it. */
  readonly leases: readonly NodeLease[];
  /** Opaque; give it to `watch` to hear of everything that happened after this list was taken. */
  readonly version: string;
  /**
   * Names the registry's memory: another one than before means that it lost what it knew (a damaged store was set
   * aside, a backup was restored). A peer that was last seen in another epoch and is missing from `leases` may be
   * alive and just not registered again: where there is a `rebuiltAt`, keep it for what was left of its lease when it
   * was last seen, or for LEASE_DURATION_MS where that is not known. The events of a watch are of the epoch of the list
   * it began with.
   */
  readonly epoch: string;
  /** When the registry last lost what it knew, in ms since 1970 by the wall clock as it was set then: for people. */
  readonly rebuiltAt?: number;
}

/**
 * `set` carries the lease as it is now (joined, changed or renewed). A node that changes several times in a row may
 * show up once; a node that was removed and came back shows up at least as `set`. `removed` may be repeated.
 */
export type LeaseEvent =
  | { readonly type: 'set'; readonly lease: NodeLease }
  | { readonly type: 'removed'; readonly node: string; readonly reason: 'deleted' | 'expired' };

export interface LeaseBatch {
  readonly events: readonly LeaseEvent[];
  /** The version after these events; `watch` can be resumed from it. */
  readonly version: string;
}

/**
 * Where nodes register, get their subnets and see each other. One contract suite (registry-contract.ts) runs against
 * every implementation: the embedded store, etcd, Kubernetes and the fake.
 *
 * Subnets never overlap: neither those of two live leases nor one with a Node that an operator reserved.
 */
export interface NodeRegistry extends AsyncDisposable {
  /**
   * Nodes have no names but their subnets (etcd, in flannel's layout): until it has registered through this handle, a node
   * is to itself another one with its subnet.
   */
  readonly subnetIsName?: true;
  /**
   * Registers a node and gives it one subnet per enabled IP family. In this order it gets: the subnet that is already
   * recorded under its name; the one in `want`; a random one of the first 100 that are free. A recorded or wanted
   * subnet that does not fit the network configuration, or that overlaps somebody else's, is passed over.
   *
   * @throws NameInUseError a live lease of this name belongs to another instance with other public addresses
   * @throws OutOfSubnetsError nothing is free between SubnetMin and SubnetMax
   */
  acquire(node: NodeInfo, want?: WantedSubnets): Promise<NodeLease>;
  /**
   * Prolongs the node's lease by its full duration and publishes `node`'s addresses and backend data where they
   * changed. The subnets stay.
   *
   * @throws LeaseLostError the lease is gone: it expired or an operator deleted the node; `acquire` gets a new one
   */
  renew(node: NodeInfo): Promise<NodeLease>;
  /**
   * What is recorded for a node that has not registered yet: the lease that `acquire` would take over. Where that cannot
   * be told by its name (etcd, in flannel's layout, has no names), or costs less than a list.
   */
  find?(node: NodeInfo): Promise<NodeLease | undefined>;
  /** Gives the node's lease and subnets back. `false` when there was none. */
  release(node: string): Promise<boolean>;
  list(): Promise<LeaseList>;
  /**
   * Everything that happens after `version`, in order, one non-empty batch at a time. Ends without an error when
   * `signal` is aborted.
   *
   * @param onHealth called with the error while the registry cannot be reached and the watch goes on trying by itself,
   * and with `undefined` when it can be followed again. Some registries end with the error instead.
   * @throws TooOldError (from the iteration) changes since `version` cannot be told any more: list again
   */
  watch(version: string, signal: AbortSignal, onHealth?: (error: unknown) => void): AsyncIterable<LeaseBatch>;
}
