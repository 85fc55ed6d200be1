import { isNotFound, isOutdated } from '../../../shared/nftables/error.ts';
import { KernelNftables } from '../../../shared/nftables/kernel.ts';
import type { Nftables } from '../../../shared/nftables/nftables.ts';
import { Transaction } from '../../../shared/nftables/transaction.ts';
import { isErrno } from '../../../shared/sys/errno.ts';
import type { ErrorCollector } from './collect-errors.ts';
import type { RuleRemoval } from './rule-changes.ts';

/** A rule can go between listing and deleting only where another DEL or GC works on it too. */
const attempts = 3;

/** Anything that anyone changes comes in between where that matters, and for a millisecond only. */
const undisturbedAttempts = 100;

/**
 * Carries out all removals in one transaction, or each for itself where the kernel refuses that: one must not keep the
 * others. Errors are collected.
 *
 * @returns the packet filter where something was removed, else undefined. Any close of such a socket in this namespace
 * then waits until the kernel has freed what was removed (see KernelNftables): so open no other, and leave the last close
 * to the child that removes the interface (delete-link.ts), or close it last
 */
export async function removeRules(
  removals: readonly RuleRemoval[],
  errors: ErrorCollector,
): Promise<KernelNftables | undefined> {
  const nft = openIfSupported();
  const failed = new Set<RuleRemoval>();
  for (const removal of removals) {
    const { before } = removal;
    if (before && !(await succeeds(errors, () => before(nft)))) failed.add(removal);
  }
  const changed = nft !== undefined && removeAll(nft, removals, failed, errors);
  for (const removal of removals) if (!failed.has(removal)) errors.try(() => removal.afterwards?.());
  if (changed) return nft;
  nft?.[Symbol.dispose]();
  return undefined;
}

/**
 * Removes in one transaction what is there of all.
 *
 * @returns whether there was anything
 * @throws NftError when the kernel refuses it; nothing was removed then
 */
export function deleteRules(nft: Nftables, removals: readonly RuleRemoval[]): boolean {
  let byKey = false;
  for (const removal of removals) if (removal.byKey) byKey = true;
  for (let attempt = 1, disturbed = 0; ; ) {
    const generation = byKey ? nft.getGeneration() : undefined;
    const transaction = new Transaction();
    for (const removal of removals) removal.append(transaction, nft);
    if (transaction.isEmpty) return attempt > 1;
    try {
      nft.run(transaction, undefined, generation);
      return true;
    } catch (error) {
      if (isOutdated(error) && ++disturbed < undisturbedAttempts) continue;
      if (attempt++ === attempts || !isNotFound(error)) throw error;
    }
  }
}

/** Undefined where the kernel has no nfnetlink, and so no rules either. (One without nf_tables alone lists none.) */
export function openIfSupported(): KernelNftables | undefined {
  try {
    return KernelNftables.open();
  } catch (error) {
    if (isErrno(error, 'EPROTONOSUPPORT', 'EAFNOSUPPORT')) return undefined;
    throw error;
  }
}

function removeAll(
  nft: Nftables,
  removals: readonly RuleRemoval[],
  failed: Set<RuleRemoval>,
  errors: ErrorCollector,
): boolean {
  if (removals.length > 1) {
    try {
      return deleteRules(nft, removals);
    } catch {
      // Which of them it was is told below.
    }
  }
  let changed = false;
  for (const removal of removals) {
    const some = errors.try(() => deleteRules(nft, [removal]));
    if (some === undefined) failed.add(removal);
    else if (some) changed = true;
  }
  return changed;
}

async function succeeds(errors: ErrorCollector, step: () => unknown): Promise<boolean> {
  const done = await errors.tryAsync(async () => {
    await step();
    return true;
  });
  return done === true;
}
