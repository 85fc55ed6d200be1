/** Where the lab's agents keep their leases: its servers, if it has any, and what a cluster's other parts would do. */
import type { LabNode } from '../node.ts';
import type { LabOptions } from '../options.ts';

export const STORES = ['embedded', 'etcd', 'kubernetes'] as const;
export type StoreName = (typeof STORES)[number];

/** What a server can be made to do. */
export const SERVER_ACTS = ['pause', 'resume', 'stop', 'kill', 'start'] as const;
export type ServerAct = (typeof SERVER_ACTS)[number];

export interface LabStore {
  /** The agent's flags that lead to it; flanneld's, but for the embedded store. */
  readonly flags: readonly string[];
  /** How to look at a node's lease, for a hint. */
  readonly look: string;
  /** Starts its servers. Nodes may not be there yet. */
  start(): Promise<void>;
  /** What a node needs before its agent starts, whenever it boots: files, and its place in the cluster. */
  prepare(node: LabNode): Promise<void>;
  /** What an administrator does when a node is gone for good. */
  remove(node: LabNode): Promise<void>;
  /** Everything that agents have written, by key or node. */
  dump(): Promise<Record<string, unknown>>;
  /** Disturbs its servers. @throws Error if it has none */
  act(what: ServerAct): Promise<void>;
}

/** What a store is made for. */
export interface StoreContext {
  readonly options: LabOptions;
  /** net-conf.json. */
  readonly netConf: string;
  /** For servers' data; is made. */
  readonly directory: string;
  readonly nodes: readonly LabNode[];
}

/** Where an agent finds net-conf.json. */
export const NET_CONF: string = '/etc/underpod/net-conf.json';
