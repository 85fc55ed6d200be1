/** GC of masquerade rules. */

import { KernelNftables } from '../../../shared/nftables/kernel.ts';
import type { RuleLabel } from '../../../shared/nftables/model/rule.ts';
import type { Keep } from './keep.ts';
import { listPodRules } from './masquerade.ts';
import { attachmentCommentPrefix, networkCommentPrefix, readComment } from './masquerade-rules.ts';
import { deleteRules, openIfSupported } from './remove-rules.ts';
import type { RuleRemoval } from './rule-changes.ts';

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
    for (const rule of listPodRules(nft)) {
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
    deleteRules(nft, [removalOf(stale)]);
  };
}

function removalOf(stale: ReadonlySet<bigint>): RuleRemoval {
  return {
    append(transaction, nft) {
      transaction.deleteRules(listPodRules(nft).filter(({ handle }) => stale.has(handle)));
    },
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
