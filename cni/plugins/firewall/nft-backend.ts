/** Backend nftables: one look at the table's labels and one transaction, without any program. */

import type { Ip } from '../../../shared/ip/ip.ts';
import { formatIp, ipToBytes } from '../../../shared/ip/ip.ts';
import { isExists, isNotFound } from '../../../shared/nftables/error.ts';
import { KernelNftables } from '../../../shared/nftables/kernel.ts';
import type { Element } from '../../../shared/nftables/model/element.ts';
import type { NftSet } from '../../../shared/nftables/model/set.ts';
import type { Nftables } from '../../../shared/nftables/nftables.ts';
import { Transaction } from '../../../shared/nftables/transaction.ts';
import { isErrno } from '../../../shared/sys/errno.ts';
import type { AttachmentKey } from '../common/attachment.ts';
import { checkFailed } from '../common/check-failed.ts';
import type { Keep } from '../common/keep.ts';
import { attachmentCommentPrefix, networkCommentPrefix, readComment } from '../common/masquerade-rules.ts';
import type { Wanted } from './config.ts';
import type { AddMode } from './nft-rules.ts';
import { appendFirewall, findMissingRule, firewallTable, podSets } from './nft-rules.ts';

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

/** Removes the attachment's elements, known by their comments; none is fine, and so is a kernel without nftables. */
export function delByNftables(key: AttachmentKey): void {
  const prefix = attachmentCommentPrefix(key);
  using nft = openIfSupported();
  if (nft) deleteElements(nft, (comment) => comment.startsWith(prefix));
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
    for (const set of [podSets[4], podSets[6]]) {
      const stale = elementsOf(nft, set, matches);
      if (stale.length > 0) transaction.deleteElements(set, stale);
    }
    try {
      nft.run(transaction);
      return;
    } catch (error) {
      if (attempt === attempts || !isNotFound(error)) throw error;
    }
  }
}

function elementsOf(nft: Nftables, set: NftSet, matches: (comment: string) => boolean): Element[] {
  const found: Element[] = [];
  for (const { key, comment } of nft.listElements(set))
    if (comment !== undefined && matches(comment)) found.push({ key });
  return found;
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
