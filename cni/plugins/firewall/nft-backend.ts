/** Backend nftables: one look at the table's labels and one transaction, without any program. */

import type { Ip } from '../../../shared/ip/ip.ts';
import { formatIp, ipToBytes } from '../../../shared/ip/ip.ts';
import { KernelNftables } from '../../../shared/nftables/kernel.ts';
import type { Element } from '../../../shared/nftables/model/element.ts';
import { addOrCollect } from '../common/add-rules.ts';
import type { AttachmentKey } from '../common/attachment.ts';
import { checkFailed } from '../common/check-failed.ts';
import type { Keep } from '../common/keep.ts';
import { attachmentCommentPrefix, networkCommentPrefix, readComment } from '../common/masquerade-rules.ts';
import { deleteRules, openIfSupported } from '../common/remove-rules.ts';
import type { RuleAddition, RuleRemoval } from '../common/rule-changes.ts';
import type { Wanted } from './config.ts';
import { appendFirewall, appendRemoval, findMissingRule, firewallTable, podSets } from './nft-rules.ts';

/**
 * Gives an attachment what it is to have, or leaves that and what comes `afterwards` to a caller who collects.
 *
 * @throws NftError when the kernel refuses it
 */
export async function addByNftables(
  key: AttachmentKey,
  wanted: Wanted,
  {
    afterwards,
    collect,
  }: { readonly afterwards?: (() => void) | undefined; readonly collect?: RuleAddition[] | undefined } = {},
): Promise<void> {
  const addition: RuleAddition = {
    append(transaction, nft, care) {
      const mode = care === 'usual' ? 'create' : 'replace';
      appendFirewall(transaction, { labels: nft.listRuleLabels(firewallTable) }, key, wanted, mode);
    },
    ...(afterwards && { afterwards }),
  };
  await addOrCollect(addition, collect);
}

/** The removal of the attachment's elements, known by their comments; none is fine. */
export function elementsRemoval(key: AttachmentKey): RuleRemoval {
  const prefix = attachmentCommentPrefix(key);
  return removal((comment) => comment.startsWith(prefix));
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
    deleteRules(nft, [removal((comment) => stale.has(comment))]);
  };
}

function removal(matches: (comment: string) => boolean): RuleRemoval {
  return {
    append(transaction, nft) {
      const elements = { 4: nft.listElements(podSets[4]), 6: nft.listElements(podSets[6]) };
      appendRemoval(transaction, elements, matches);
    },
  };
}

function hasElement(elements: readonly Element[], address: Ip, prefix: string): boolean {
  const wanted = ipToBytes(address).toHex();
  for (const { key, comment } of elements)
    if (key.toHex() === wanted && (comment?.startsWith(prefix) ?? false)) return true;
  return false;
}
