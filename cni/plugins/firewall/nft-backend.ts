/** Backend nftables: one look at the table's labels and one transaction, without any program. Only what ADD and DEL do. */

import type { Ip } from '../../../shared/ip/ip.ts';
import { ipToBytes } from '../../../shared/ip/ip.ts';
import type { Element } from '../../../shared/nftables/model/element.ts';
import { addOrCollect } from '../common/add-rules.ts';
import type { AttachmentKey } from '../common/attachment.ts';
import { attachmentCommentPrefix } from '../common/masquerade-rules.ts';
import type { RuleAddition, RuleRemoval } from '../common/rule-changes.ts';
import type { Wanted } from './config.ts';
import { refuseOwnChain } from './config.ts';
import { appendFirewall, appendRemoval, firewallTable, podSets } from './nft-rules.ts';

/**
 * Gives an attachment what it is to have, or leaves that and what comes `afterwards` to a caller who collects.
 *
 * @throws NftError when the kernel refuses it; CniError code 7 where the administrators' chain is one of ours
 */
export async function addByNftables(
  key: AttachmentKey,
  wanted: Wanted,
  {
    afterwards,
    collect,
  }: { readonly afterwards?: (() => void) | undefined; readonly collect?: RuleAddition[] | undefined } = {},
): Promise<void> {
  // Not known before, where the backend was not configured.
  refuseOwnChain(wanted.adminChain);
  const addition: RuleAddition = {
    append(transaction, nft, care) {
      const mode = care === 'usual' ? 'create' : 'replace';
      appendFirewall(transaction, { labels: nft.listRuleLabels(firewallTable) }, key, wanted, mode);
    },
    ...(afterwards && { afterwards }),
  };
  await addOrCollect(addition, collect);
}

/**
 * The removal of the attachment's elements, known by their comments; none is fine.
 *
 * @param addresses the attachment's, where they are known: when all of them are found, the others' are not listed
 */
export function elementsRemoval(key: AttachmentKey, addresses: readonly Ip[] = []): RuleRemoval {
  const prefix = attachmentCommentPrefix(key);
  const isOwn = (comment: string): boolean => comment.startsWith(prefix);
  const all = removalWhere(isOwn);
  return {
    ...all,
    append(transaction, nft) {
      const found: { 4: Element[]; 6: Element[] } = { 4: [], 6: [] };
      for (const address of addresses) {
        const element = nft.findElement(podSets[address.family], ipToBytes(address));
        if (element) found[address.family].push(element);
      }
      const complete = addresses.length > 0 && found[4].length + found[6].length === addresses.length;
      if (complete) appendRemoval(transaction, found, isOwn);
      else all.append(transaction, nft);
    },
  };
}

/** The removal of elements whose comments match. */
export function removalWhere(matches: (comment: string) => boolean): RuleRemoval {
  return {
    byKey: true,
    append(transaction, nft) {
      const elements = { 4: nft.listElements(podSets[4]), 6: nft.listElements(podSets[6]) };
      appendRemoval(transaction, elements, matches);
    },
  };
}
