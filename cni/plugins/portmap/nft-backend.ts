/** Port mappings in the kernel's nf_tables: one transaction for both families. */

import type { Cidr } from '../../../shared/ip/cidr.ts';
import { isNotFound } from '../../../shared/nftables/error.ts';
import { KernelNftables } from '../../../shared/nftables/kernel.ts';
import type { RuleLabel } from '../../../shared/nftables/model/rule.ts';
import type { Nftables } from '../../../shared/nftables/nftables.ts';
import { Transaction } from '../../../shared/nftables/transaction.ts';
import { leaveCloseToChild } from '../../../shared/sys/child-send.ts';
import { isErrno } from '../../../shared/sys/errno.ts';
import { isCniProcess } from '../common/delete-link.ts';
import type { PortmapConfig } from './config.ts';
import {
  appendBase,
  appendDeletion,
  appendMasquerading,
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
    // A chain is missing that is always written with the one that was looked at.
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
    } else if (config.snat) appendMasquerading(transaction, family);
    appendPorts(transaction, config, containerId, target);
  }
  return transaction;
}

/** Removes a container's rules, ours or upstream's; none is fine. */
export function delNftPorts(containerId: string): void {
  using nft = openIfSupported();
  if (!nft || !deletePorts(nft, (comment) => comment === containerId)) return;
  if (isCniProcess() && nft.fd !== undefined) leaveCloseToChild(nft.fd);
}

/** Removes the rules whose comment is wanted, of both families at once. False where there was none. */
function deletePorts(nft: Nftables, wanted: (containerId: string) => boolean): boolean {
  for (let attempt = 1; ; attempt++) {
    const found = findPorts(nft, wanted);
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

/** The pods' rules whose comment is wanted. */
function findPorts(nft: Nftables, wanted: (containerId: string) => boolean): RuleLabel[] {
  const found: RuleLabel[] = [];
  for (const family of [4, 6] as const) {
    for (const chain of podChains) {
      for (const label of nft.listRuleLabels(portTable(family), chain)) {
        if (label.comment !== undefined && wanted(label.comment)) found.push(label);
      }
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
