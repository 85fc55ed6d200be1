/** Masquerade rules of pods in the kernel. */

import type { Cidr } from '../../../shared/ip/cidr.ts';
import { KernelNftables } from '../../../shared/nftables/kernel.ts';
import type { RuleLabel } from '../../../shared/nftables/model/rule.ts';
import type { Nftables } from '../../../shared/nftables/nftables.ts';
import { addOrCollect } from './add-rules.ts';
import type { AttachmentKey } from './attachment.ts';
import type { Leftovers } from './iptables-leftovers.ts';
import { findLeftovers, iptablesFamilies } from './iptables-leftovers.ts';
import type { Keep } from './keep.ts';
import {
  appendBase,
  appendDeletion,
  appendPodRules,
  attachmentCommentPrefix,
  baseRuleCount,
  networkCommentPrefix,
  podChain,
  postrouting,
  readComment,
} from './masquerade-rules.ts';
import { deleteRules, openIfSupported } from './remove-rules.ts';
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
  return {
    ...ownRules(key),
    before: (nft) => removeIptablesMasquerade(nft, key, addresses),
  };
}

/**
 * Removes the attachment's rules, ours or upstream's; none is fine. Those that upstream has in iptables are left.
 *
 * @returns the packet filter, undefined where the kernel has none. Its last close waits until the kernel has freed the
 * rules: leave that to the child that removes the interface (delete-link.ts), or close it last
 */
export function removeMasquerade(key: AttachmentKey): KernelNftables | undefined {
  const nft = openIfSupported();
  if (!nft) return undefined;
  try {
    deleteRules(nft, [ownRules(key)]);
    return nft;
  } catch (error) {
    nft[Symbol.dispose]();
    throw error;
  }
}

/**
 * Removes the rules that upstream's plugin made in iptables before the node changed over. None is fine, and costs two
 * system calls and a question to the kernel for each family.
 *
 * @param nft of `removeMasquerade`
 * @param addresses the attachment's, where they are known: other families are not looked at
 * @returns undefined where there was nothing to wait for
 */
export function removeIptablesMasquerade(
  nft: Nftables | undefined,
  { network, containerId }: AttachmentKey,
  addresses: readonly Cidr[],
): Promise<void> | undefined {
  const families = iptablesFamilies.filter(
    (family) => addresses.length === 0 || addresses.some(({ ip }) => ip.family === family.ip),
  );
  const left = findLeftovers(nft, network, containerId, families);
  return left && removeFound(nft, network, containerId, left);
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

/**
 * GC, first half: lists the network's rules. The function it returns removes those not to be kept by then, by the
 * handles that were seen: a comment may be cut, so that rules made since look the same.
 */
export function prepareGcMasquerade(network: string): (keep: Keep) => void {
  const found = new Map<string, RuleLabel[]>();
  {
    using nft = openIfSupported();
    if (!nft) return () => {};
    const prefix = networkCommentPrefix(network);
    for (const rule of podRules(nft)) {
      if (rule.comment?.startsWith(prefix))
        found.set(rule.comment, [...(found.get(rule.comment) ?? []), rule]);
    }
  }
  return (keep) => {
    if (found.size === 0) return;
    const prefixes = keep.attachments.map((attachment) =>
      attachmentCommentPrefix({ network, ...attachment }),
    );
    const kept = new Set(prefixes);
    using claims = new DisposableStack();
    const stale = new Set<bigint>();
    for (const [comment, rules] of found) {
      if (kept.has(comment.split(',', 1)[0] ?? '')) continue;
      const key = readComment(network, comment);
      // A comment that was cut does not say whose it is; then the list of what is kept has to be enough.
      const claim = key && keep.claim(key.containerId, key.ifname);
      if (claim) claims.use(claim);
      if (key === undefined || claim) for (const { handle } of rules) stale.add(handle);
    }
    using nft = KernelNftables.open();
    deleteRules(nft, [removal(({ handle }) => stale.has(handle))]);
  };
}

/** As prepareGcMasquerade, for the rules of upstream's plugin in iptables: of containers of which nothing is kept. */
export async function prepareGcIptablesMasquerade(network: string): Promise<(keep: Keep) => Promise<void>> {
  const { prepareGcIptables } = await import('./iptables-masquerade.ts');
  using listed = openIfSupported();
  const remove = await prepareGcIptables(listed, network);
  return async (keep) => {
    using nft = openIfSupported();
    await remove(nft, keep);
  };
}

function ownRules(key: AttachmentKey): RuleRemoval {
  const prefix = attachmentCommentPrefix(key);
  return removal(({ comment }) => comment?.startsWith(prefix) ?? false);
}

function removal(matches: (rule: RuleLabel) => boolean): RuleRemoval {
  return { append: (transaction, nft) => appendDeletion(transaction, podRules(nft).filter(matches)) };
}

function podRules(nft: Nftables): RuleLabel[] {
  return nft.listRuleLabels({ family: podChain.family, name: podChain.table }, podChain.name);
}
