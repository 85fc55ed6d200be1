/** Rules of `macspoofchk` in the kernel. Loaded only where that is on. */

import { isNotFound } from '../../../shared/nftables/error.ts';
import { KernelNftables } from '../../../shared/nftables/kernel.ts';
import type { AttachmentKey } from '../common/attachment.ts';
import { openIfSupported } from '../common/remove-rules.ts';
import {
  addSpoofCheck,
  deleteSpoofChecks,
  interfaceChain,
  macChain,
  prerouting,
  spoofComment,
  spoofTable,
} from './spoof-check-rules.ts';

/** A rule can go between listing and deleting only where another call works on it too. */
const deleteAttempts = 3;

/** Drops what comes in by `port` with another source address than `mac`. */
export function addMacSpoofCheck(key: AttachmentKey, port: string, mac: Uint8Array): void {
  using nft = KernelNftables.open();
  nft.run(addSpoofCheck(key, port, mac));
}

/** Removes the attachment's rules and chains, ours or upstream's; none is fine. */
export function removeMacSpoofCheck(key: AttachmentKey): void {
  using nft = openIfSupported();
  if (!nft) return;
  const chain = interfaceChain(key);
  const comment = spoofComment(key);
  for (let attempt = 1; ; attempt++) {
    // The table is upstream's and ours, and common to all networks; without it there is nothing.
    if (nft.listTables(spoofTable.family).length === 0) return;
    const jumps = nft.listRuleLabels(spoofTable, prerouting.name, comment);
    try {
      nft.run(deleteSpoofChecks(jumps, [chain]));
      return;
    } catch (error) {
      if (attempt === deleteAttempts || !isNotFound(error)) throw error;
    }
  }
}

/** True if the attachment's chains are there with all their rules, and frames are led there. */
export function hasMacSpoofCheck(key: AttachmentKey): boolean {
  using nft = openIfSupported();
  if (!nft) return false;
  const comment = spoofComment(key);
  const count = (chain: string): number =>
    nft.listRuleLabels(spoofTable, chain).filter((rule) => rule.comment === comment).length;
  const first = interfaceChain(key);
  return count(prerouting.name) > 0 && count(first.name) === 1 && count(macChain(first).name) === 2;
}
