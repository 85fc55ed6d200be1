/** Where node leases and the network configuration come from, once it is open. */

import type { NetConf } from '../../../shared/config/net-conf.ts';
import type { Logger } from '../../../shared/log/logger.ts';
import type { NodeRegistry } from '../../../shared/store/registry.ts';
import type { AgentOptions, UnderlayOptions } from '../options.ts';

export interface Datastore extends AsyncDisposable {
  readonly registry: NodeRegistry;
  /** net-conf.json, or what the datastore holds in its place. */
  readonly netConf: NetConf;
  /**
   * The node's name in the registry, where the datastore knows it better than `AgentOptions.node` (Kubernetes finds
   * the node of its own pod).
   */
  readonly node?: string;
  /** Which interface to use, where the datastore has a say and the settings have none (a node's annotations). */
  readonly underlay?: UnderlayOptions;
  /** Called once, when the node's pods can be served: for whoever else waits for that (a node's condition). */
  readonly onReady?: () => void;
}

/**
 * Opens one. May wait for a server that does not answer yet, unless this node's own disk knows enough to go on
 * without it; ends with an error when `signal` is aborted.
 *
 * @param onWaiting told what stands in the way, whenever that is known anew
 */
export type OpenDatastore = (
  options: AgentOptions,
  log: Logger,
  signal: AbortSignal,
  onWaiting: (why: string) => void,
) => Promise<Datastore>;
