/** Port mappings in the kernel's nf_tables: one transaction for both families. */

import type { Cidr } from '../../../shared/ip/cidr.ts';
import { isNotFound } from '../../../shared/nftables/error.ts';
import { KernelNftables } from '../../../shared/nftables/kernel.ts';
import type { RuleLabel } from '../../../shared/nftables/model/rule.ts';
import type { Nftables } from '../../../shared/nftables/nftables.ts';
import { Transaction } from '../../../shared/nftables/transaction.ts';
import { isErrno } from '../../../shared/sys/errno.ts';
import { leaveCloseToChild } from '../common/leave-close.ts';
import type { PortmapConfig } from './config.ts';
import {
  appendBase,
  appendDeletion,
  appendPorts,
  baseChain,
  baseRules,
  podChains,
  portTable,
} from './nft-rules.ts';

/** A rule can go between listing and deleting only where another DEL or GC works on it too. */
const deleteAttempts = 3;

/** Adds a pod's mappings, and before them what is missing of the tables. */
export async function addNftPorts(
  config: PortmapConfig,
  containerId: string,
  targets: readonly Cidr[],
): Promise<void> {
  using nft = KernelNftables.open();
  try {
    nft.run(await planPorts(nft, config, containerId, targets, false));
  } catch (error) {
    if (!isNotFound(error)) throw error;
    // A chain is missing that is written with the one that was looked at, or that only pods with snat have. To add one
    // that is there already would make the close wait for its old self, so it is not done for every pod.
    nft.run(await planPorts(nft, config, containerId, targets, true));
  }
}

async function planPorts(
  nft: Nftables,
  config: PortmapConfig,
  containerId: string,
  targets: readonly Cidr[],
  whole: boolean,
): Promise<Transaction> {
  const transaction = new Transaction();
  for (const target of targets) {
    const { family } = target.ip;
    const words = config.conditions[family];
    const conditions =
      words.length === 0 ? [] : (await import('./conditions.ts')).parseConditions(words, family);
    const present = nft.listRuleLabels(portTable(family), baseChain).length;
    // With conditions it is written anew each time, as upstream does, for they may have been others.
    if (whole || present !== baseRules || conditions.length > 0) {
      appendBase(transaction, family, { conditions, snat: config.snat, fresh: !whole && present === 0 });
    }
    appendPorts(transaction, config, containerId, target);
  }
  return transaction;
}

/**
 * Removes a container's rules, ours or upstream's; none is fine.
 *
 * After it any close of such a socket in this namespace waits until the kernel has freed them, so nothing else is to be
 * opened: `nft` is given up, and in a CNI call its close is left to a child.
 */
export function delNftPorts(nft: KernelNftables, containerId: string): void {
  const deleted = deletePorts(nft, containerId);
  if (deleted) leaveCloseToChild(nft);
}

/** Removes a container's rules, of both families at once. False where there was none. */
function deletePorts(nft: Nftables, containerId: string): boolean {
  for (let attempt = 1; ; attempt++) {
    const found = findPorts(nft, containerId);
    if (found.length === 0) return attempt > 1;
    const transaction = new Transaction();
    appendDeletion(transaction, found);
    try {
      nft.run(transaction);
      return true;
    } catch (error) {
      if (attempt === deleteAttempts || !isNotFound(error)) throw error;
    }
  }
}

/** A container's rules. */
function findPorts(nft: Nftables, containerId: string): RuleLabel[] {
  const found: RuleLabel[] = [];
  for (const family of [4, 6] as const) {
    for (const chain of podChains) {
      for (const label of nft.listRuleLabels(portTable(family), chain, containerId)) found.push(label);
    }
  }
  return found;
}

/** Undefined where the kernel has no nftables, and so no rules either. */
export function openIfSupported(): KernelNftables | undefined {
  try {
    return KernelNftables.open();
  } catch (error) {
    if (isErrno(error, 'EPROTONOSUPPORT', 'EAFNOSUPPORT')) return undefined;
    throw error;
  }
}
