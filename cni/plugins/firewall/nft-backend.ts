/** Backend nftables: one look at the table's labels and one transaction, without any program. */

import type { Ip } from '../../../shared/ip/ip.ts';
import { formatIp, ipToBytes } from '../../../shared/ip/ip.ts';
import { isExists, isNotFound } from '../../../shared/nftables/error.ts';
import { KernelNftables } from '../../../shared/nftables/kernel.ts';
import type { Element } from '../../../shared/nftables/model/element.ts';
import type { Nftables } from '../../../shared/nftables/nftables.ts';
import { Transaction } from '../../../shared/nftables/transaction.ts';
import { isErrno } from '../../../shared/sys/errno.ts';
import type { AttachmentKey } from '../common/attachment.ts';
import { checkFailed } from '../common/check-failed.ts';
import type { Keep } from '../common/keep.ts';
import { attachmentCommentPrefix, networkCommentPrefix, readComment } from '../common/masquerade-rules.ts';
import type { Wanted } from './config.ts';
import type { AddMode } from './nft-rules.ts';
import { appendFirewall, appendRemoval, findMissingRule, firewallTable, podSets } from './nft-rules.ts';

/** Something can change between look and change only where another works on the same. */
const attempts = 3;

/** @throws NftError when the kernel refuses it */
export function addByNftables(key: AttachmentKey, wanted: Wanted): void {
  using nft = KernelNftables.open();
  let mode: AddMode = 'create';
  for (let attempt = 1; ; attempt++) {
    const transaction = new Transaction();
    appendFirewall(transaction, { labels: nft.listRuleLabels(firewallTable) }, key, wanted, mode);
    try {
      nft.run(transaction);
      return;
    } catch (error) {
      if (attempt === attempts || !(isExists(error) || isNotFound(error))) throw error;
      if (isExists(error)) mode = 'replace';
    }
  }
}

/**
 * Removes the attachment's elements, known by their comments; none is fine.
 *
 * @returns the packet filter, undefined where the kernel has none. Its last close waits until the kernel has freed the
 * elements: leave that to the child that removes the interface (delete-link.ts), or close it last
 */
export function delByNftables(key: AttachmentKey): KernelNftables | undefined {
  const prefix = attachmentCommentPrefix(key);
  const nft = openIfSupported();
  if (!nft) return undefined;
  try {
    deleteElements(nft, (comment) => comment.startsWith(prefix));
    return nft;
  } catch (error) {
    nft[Symbol.dispose]();
    throw error;
  }
}

/** @throws CniError code 100 naming what is missing */
export function checkByNftables(key: AttachmentKey, wanted: Wanted): void {
  using nft = KernelNftables.open();
  const missing = findMissingRule(nft.listRuleLabels(firewallTable), wanted);
  if (missing !== undefined) throw checkFailed(missing);
  const prefix = attachmentCommentPrefix(key);
  for (const address of wanted.addresses) {
    const set = podSets[address.family];
    if (!hasElement(nft.listElements(set), address, prefix))
      throw checkFailed(`the set ${set.name} of ${firewallTable.name} lacks the pod's ${formatIp(address)}`);
  }
}

/** GC, first half: lists the network's elements. The function it returns removes those that are not to be kept. */
export function prepareGcNftables(network: string): (keep: Keep) => void {
  const found = new Set<string>();
  {
    using nft = openIfSupported();
    if (!nft) return () => {};
    const prefix = networkCommentPrefix(network);
    for (const set of [podSets[4], podSets[6]])
      for (const { comment = '' } of nft.listElements(set))
        if (comment.startsWith(prefix)) found.add(comment);
  }
  return (keep) => {
    if (found.size === 0) return;
    const kept = new Set<string>();
    for (const attachment of keep.attachments) kept.add(attachmentCommentPrefix({ network, ...attachment }));
    using claims = new DisposableStack();
    const stale = new Set<string>();
    for (const comment of found) {
      if (kept.has(comment.split(',', 1)[0] ?? '')) continue;
      const owner = readComment(network, comment);
      // A comment that was cut does not say whose it is; then the list of what is kept has to be enough.
      const claim = owner && keep.claim(owner.containerId, owner.ifname);
      if (claim) claims.use(claim);
      if (owner === undefined || claim) stale.add(comment);
    }
    using nft = KernelNftables.open();
    deleteElements(nft, (comment) => stale.has(comment));
  };
}

function deleteElements(nft: Nftables, matches: (comment: string) => boolean): void {
  for (let attempt = 1; ; attempt++) {
    const transaction = new Transaction();
    const elements = { 4: nft.listElements(podSets[4]), 6: nft.listElements(podSets[6]) };
    appendRemoval(transaction, elements, matches);
    try {
      nft.run(transaction);
      return;
    } catch (error) {
      if (attempt === attempts || !isNotFound(error)) throw error;
    }
  }
}

function hasElement(elements: readonly Element[], address: Ip, prefix: string): boolean {
  const wanted = ipToBytes(address).toHex();
  for (const { key, comment } of elements)
    if (key.toHex() === wanted && (comment?.startsWith(prefix) ?? false)) return true;
  return false;
}

/** Undefined where the kernel has no nftables, and so nothing of ours either. */
function openIfSupported(): KernelNftables | undefined {
  try {
    return KernelNftables.open();
  } catch (error) {
    if (isErrno(error, 'EPROTONOSUPPORT', 'EAFNOSUPPORT')) return undefined;
    throw error;
  }
}
