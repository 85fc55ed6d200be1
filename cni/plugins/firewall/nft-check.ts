import type { Ip } from '../../../shared/ip/ip.ts';
import { formatIp, ipToBytes } from '../../../shared/ip/ip.ts';
import { KernelNftables } from '../../../shared/nftables/kernel.ts';
import type { Element } from '../../../shared/nftables/model/element.ts';
import type { AttachmentKey } from '../common/attachment.ts';
import { checkFailed } from '../common/check-failed.ts';
import { attachmentCommentPrefix } from '../common/masquerade-rules.ts';
import type { Wanted } from './config.ts';
import { findMissingRule, firewallTable, podSets } from './nft-rules.ts';

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

function hasElement(elements: readonly Element[], address: Ip, prefix: string): boolean {
  const wanted = ipToBytes(address).toHex();
  for (const { key, comment } of elements)
    if (key.toHex() === wanted && (comment?.startsWith(prefix) ?? false)) return true;
  return false;
}
