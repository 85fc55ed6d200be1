import type { KernelNftables } from '../../../shared/nftables/kernel.ts';
import { closeLate } from '../../../shared/sys/close-late.ts';
import { isCniProcess } from './delete-link.ts';

/**
 * Lets the packet filter be closed after a transaction that deleted something without waiting until the kernel has freed
 * it (see KernelNftables): a child holds it until this process has ended. For DELs that remove no interface; the child of
 * one that does closes the packet filter as well (delete-link.ts). Close it afterwards.
 */
export function leaveCloseToChild(nft: KernelNftables): void {
  // Only in a process that makes one CNI call: a daemon is too large to be copied, and has time.
  if (isCniProcess() && nft.fd !== undefined) closeLate(nft.fd);
}
