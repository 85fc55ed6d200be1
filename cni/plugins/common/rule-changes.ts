/**
 * What plugins want changed in nf_tables. One that is called alone sees to it itself; a caller of several collects what
 * they want and makes it one transaction: all or nothing, and one commit of the kernel's instead of several. Pure.
 */

import type { RuleLabel } from '../../../shared/nftables/model/rule.ts';
import type { Nftables } from '../../../shared/nftables/nftables.ts';
import type { Transaction } from '../../../shared/nftables/transaction.ts';
import type { Awaitable } from '../../protocol/plugin.ts';

/**
 * How much is taken for granted: `usual`, that all is well where a quick look finds something; `thorough`, nothing, since
 * the kernel has just refused it. That writes anew what may be broken, and makes the socket's close wait.
 */
export type Care = 'usual' | 'thorough';

/** What an ADD puts into nf_tables. */
export interface RuleAddition {
  /** Appends it, having looked at what is there. Called again, with more care, when the kernel refuses the transaction. */
  append(transaction: Transaction, nft: Nftables, care: Care): void;
  /** Takes the labels of all rules that the transaction made, those of others in it as well. */
  readonly made?: (labels: readonly RuleLabel[]) => void;
  /** What comes once the rules are there. Whoever collects additions calls it. */
  readonly afterwards?: () => Awaitable<void>;
}

/** What a DEL takes out of nf_tables. */
export interface RuleRemoval {
  /** Removes what programs made in iptables. `nft` is undefined where the kernel has no nf_tables. */
  readonly before?: (nft: Nftables | undefined) => Awaitable<void>;
  /**
   * What it deletes is known by what can be another's a moment later, as an address is: then nothing may have changed
   * between look and deletion. (A rule's handle is nobody else's ever.)
   */
  readonly byKey?: boolean;
  /** Appends the removal of what is there; nothing is fine. Called again when that has changed meanwhile. */
  append(transaction: Transaction, nft: Nftables): void;
  /** What comes once all of it is gone. Not called where something failed. */
  readonly afterwards?: () => void;
}
