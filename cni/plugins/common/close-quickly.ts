import type { KernelNftables } from '../../../shared/nftables/kernel.ts';
import { closeLate } from '../../../shared/sys/close-late.ts';

/**
 * Closes the packet filter after a transaction that deleted something, without waiting until the kernel has freed it
 * (see KernelNftables). For DELs that remove no interface: whose child removes one closes the packet filter as well
 * (delete-link.ts).
 */
export function closeQuickly(nft: KernelNftables | undefined): void {
  if (nft === undefined) return;
  // Only a process that makes one CNI call: a daemon is too large to be copied, and has time.
  if (process.env['CNI_COMMAND'] !== undefined && nft.fd !== undefined) closeLate(nft.fd);
  nft[Symbol.dispose]();
}
