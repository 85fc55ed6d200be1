/** Masquerade rules of pods in the kernel. */

import type { Cidr } from '../../../shared/ip/cidr.ts';
import { isNotFound } from '../../../shared/nftables/error.ts';
import { KernelNftables } from '../../../shared/nftables/kernel.ts';
import type { RuleLabel } from '../../../shared/nftables/model/rule.ts';
import type { Nftables } from '../../../shared/nftables/nftables.ts';
import { isErrno } from '../../../shared/sys/errno.ts';
import type { AttachmentKey } from './attachment.ts';
import type { Leftovers } from './iptables-leftovers.ts';
import { findLeftovers, iptablesFamilies } from './iptables-leftovers.ts';
import type { Keep } from './keep.ts';
import {
  addBaseAndPodRules,
  addPodRules,
  attachmentCommentPrefix,
  baseRuleCount,
  deletePodRules,
  networkCommentPrefix,
  podChain,
  postrouting,
  readComment,
} from './masquerade-rules.ts';

/** A rule can go between listing and deleting only where another DEL or GC works on it too. */
const deleteAttempts = 3;

/**
 * Masquerades what the attachment sends out of its subnets.
 *
 * The base chain is written anew only where it is not whole: a transaction that deletes anything makes the close of
 * its socket wait for one RCU grace period (3 to 28 ms), which one that only adds does not.
 */
export function addMasquerade(key: AttachmentKey, addresses: readonly Cidr[]): void {
  using nft = KernelNftables.open();
  if (isBaseWhole(nft)) {
    try {
      nft.run(addPodRules(key, addresses));
      return;
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
  nft.run(addBaseAndPodRules(key, addresses));
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
    const prefix = attachmentCommentPrefix(key);
    deleteWhere(nft, ({ comment }) => comment?.startsWith(prefix) ?? false);
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

/** Undefined where the kernel has no nftables, and so no rules either. */
function openIfSupported(): KernelNftables | undefined {
  try {
    return KernelNftables.open();
  } catch (error) {
    if (isErrno(error, 'EPROTONOSUPPORT', 'EAFNOSUPPORT')) return undefined;
    throw error;
  }
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
    deleteWhere(nft, ({ handle }) => stale.has(handle));
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

function deleteWhere(nft: Nftables, matches: (rule: RuleLabel) => boolean): void {
  for (let attempt = 1; ; attempt++) {
    try {
      nft.run(deletePodRules(podRules(nft).filter(matches)));
      return;
    } catch (error) {
      if (attempt === deleteAttempts || !isNotFound(error)) throw error;
    }
  }
}

function podRules(nft: Nftables): RuleLabel[] {
  return nft.listRuleLabels({ family: podChain.family, name: podChain.table }, podChain.name);
}
