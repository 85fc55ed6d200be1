import { isExists, isNotFound } from '../../../shared/nftables/error.ts';
import { KernelNftables } from '../../../shared/nftables/kernel.ts';
import type { RuleLabel } from '../../../shared/nftables/model/rule.ts';
import { Transaction } from '../../../shared/nftables/transaction.ts';
import type { Care, RuleAddition } from './rule-changes.ts';

/** Something can change between look and change only where another works on the same. */
const attempts = 3;

/**
 * Makes all additions in one transaction, or none, and tells what it made. What comes afterwards is left to the caller.
 *
 * @throws NftError when the kernel refuses it
 */
export function addRules(additions: readonly RuleAddition[]): void {
  using nft = KernelNftables.open();
  let care: Care = 'usual';
  for (let attempt = 1; ; attempt++) {
    const transaction = new Transaction();
    let labels: RuleLabel[] | undefined;
    for (const addition of additions) {
      addition.append(transaction, nft, care);
      if (addition.made) labels = [];
    }
    try {
      nft.run(transaction, labels);
      for (const { made } of additions) made?.(labels ?? []);
      return;
    } catch (error) {
      if (attempt === attempts || !(isExists(error) || isNotFound(error))) throw error;
      care = 'thorough';
    }
  }
}

/** Makes an addition and does what comes afterwards, or leaves both to a caller who collects. */
export async function addOrCollect(
  addition: RuleAddition,
  collect: RuleAddition[] | undefined,
): Promise<void> {
  if (collect) {
    collect.push(addition);
    return;
  }
  addRules([addition]);
  await addition.afterwards?.();
}
