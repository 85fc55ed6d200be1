/** The agent's rules of masquerading and forwarding: one of two ways to have them in the kernel. */

import type { NetConf } from '../../../shared/config/net-conf.ts';
import type { IptablesVariant } from '../../../shared/iptables/programs.ts';
import type { KernelEvent } from '../kernel/event.ts';
import type { RuleSettings } from './own-table.ts';

export type RuleBackend = 'nftables' | 'iptables';

export interface PodRules {
  readonly backend: RuleBackend;
  /** The tables of iptables that these rules stand in: whoever guards the forward chains of others leaves those alone. */
  readonly variant: IptablesVariant | undefined;
  /** Compares and sends the difference. @throws Error where the kernel or iptables refuses */
  sync(settings: RuleSettings): void | Promise<void>;
  /** True if anybody may have changed these rules since the last comparison. Cheap. */
  mayDiffer(): boolean;
  /** The same for rules whose changes cause no event: asked twice a second. */
  changedSilently(): boolean;
  /** True if an event may mean that these rules differ now. */
  concerns(event: KernelEvent): boolean;
}

/** Which way, and why. */
export interface RuleBackendChoice {
  readonly backend: RuleBackend;
  readonly why: string;
}

/**
 * `--rules` decides; without it what net-conf.json says of `EnableNFTables`, a plain `false` included: with the same
 * chains as flanneld's a node changes over and back without a leftover. Where nothing is said, nftables, which needs
 * no programs. Pure.
 */
export function chooseRuleBackend(
  flag: RuleBackend | undefined,
  { enableNFTables }: Pick<NetConf, 'enableNFTables'>,
): RuleBackendChoice {
  if (flag !== undefined) return { backend: flag, why: '--rules' };
  if (enableNFTables === undefined) return { backend: 'nftables', why: 'the default' };
  return {
    backend: enableNFTables ? 'nftables' : 'iptables',
    why: `EnableNFTables is ${enableNFTables} in net-conf.json`,
  };
}
