/** Masquerade rules of pods in the kernel. */

import type { Cidr } from '../../../shared/ip/cidr.ts';
import type { RuleLabel } from '../../../shared/nftables/model/rule.ts';
import type { Nftables } from '../../../shared/nftables/nftables.ts';
import { addOrCollect } from './add-rules.ts';
import type { AttachmentKey } from './attachment.ts';
import type { IptablesFamily, Leftovers } from './iptables-leftovers.ts';
import { findLeftovers, iptablesFamilies } from './iptables-leftovers.ts';
import {
  appendBase,
  appendPodRules,
  attachmentCommentPrefix,
  baseRuleCount,
  podChain,
  postrouting,
} from './masquerade-rules.ts';
import type { RuleAddition, RuleRemoval } from './rule-changes.ts';

/**
 * Masquerades what the attachment sends out of its subnets.
 *
 * The base chain is written anew only where it is not whole: a transaction that deletes anything makes the close of
 * its socket wait for one RCU grace period (3 to 28 ms), which one that only adds does not.
 *
 * @param collect takes the rules for a caller who makes them along with others
 */
export async function addMasquerade(
  key: AttachmentKey,
  addresses: readonly Cidr[],
  collect?: RuleAddition[],
): Promise<void> {
  const addition: RuleAddition = {
    append(transaction, nft, care) {
      if (care === 'thorough' || !isBaseWhole(nft)) appendBase(transaction);
      appendPodRules(transaction, key, addresses);
    },
  };
  await addOrCollect(addition, collect);
}

/**
 * The removal of the attachment's rules, ours or upstream's, those that upstream has in iptables among them. None is fine.
 *
 * @param addresses the attachment's, where they are known: other families are not looked at in iptables
 */
export function masqueradeRemoval(key: AttachmentKey, addresses: readonly Cidr[]): RuleRemoval {
  const prefix = attachmentCommentPrefix(key);
  return {
    before: (nft) => removeFromIptables(nft, key, addresses),
    append(transaction, nft) {
      const { family, table: name } = podChain;
      transaction.deleteRules(nft.listRuleLabels({ family, name }, podChain.name, prefix, 'start'));
    },
  };
}

/** None is fine, and costs two system calls and a question to the kernel for each family. */
function removeFromIptables(
  nft: Nftables | undefined,
  { network, containerId }: AttachmentKey,
  addresses: readonly Cidr[],
): Promise<void> | undefined {
  const families: IptablesFamily[] = [];
  for (const family of iptablesFamilies)
    if (addresses.length === 0 || hasFamily(addresses, family.ip)) families.push(family);
  const left = findLeftovers(nft, network, containerId, families);
  return left && removeFound(nft, network, containerId, left);
}

function hasFamily(addresses: readonly Cidr[], family: 4 | 6): boolean {
  for (const { ip } of addresses) if (ip.family === family) return true;
  return false;
}

async function removeFound(
  nft: Nftables | undefined,
  network: string,
  containerId: string,
  left: Leftovers,
): Promise<void> {
  const { removeLeftovers } = await import('./iptables-masquerade.ts');
  await removeLeftovers(nft, network, containerId, left);
}

/**
 * By the number of rules alone. To look at what they say, that the last one leads to the pods' rules above all, means
 * decoding them, which costs a fresh process 1.5 ms of every ADD. Only upstream's plugin and ours write this chain, and
 * both write it as a whole.
 */
function isBaseWhole(nft: Nftables): boolean {
  return (
    nft.listRuleLabels({ family: podChain.family, name: podChain.table }, postrouting.name).length ===
    baseRuleCount
  );
}

/** The rules of all pods. */
export function listPodRules(nft: Nftables): RuleLabel[] {
  return nft.listRuleLabels({ family: podChain.family, name: podChain.table }, podChain.name);
}
