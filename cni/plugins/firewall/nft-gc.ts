import { KernelNftables } from '../../../shared/nftables/kernel.ts';
import type { Keep } from '../common/keep.ts';
import { attachmentCommentPrefix, networkCommentPrefix, readComment } from '../common/masquerade-rules.ts';
import { deleteRules, openIfSupported } from '../common/remove-rules.ts';
import { removalWhere } from './nft-backend.ts';
import { podSets } from './nft-rules.ts';

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
    deleteRules(nft, [removalWhere((comment) => stale.has(comment))]);
  };
}
