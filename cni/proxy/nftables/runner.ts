/**
 * Hands transactions to the kernel such that one bad element costs itself alone: a transaction that is refused is
 * halved until the element is found, and all others are programmed.
 */

import { isNftError, isNotFound, type NftError } from '../../../shared/nftables/error.ts';
import type { Nftables } from '../../../shared/nftables/nftables.ts';
import { Transaction } from '../../../shared/nftables/transaction.ts';
import type { Change } from './changes.ts';
import { addChanges } from './element-changes.ts';
import type { Layout } from './layout.ts';

export interface Refusal {
  readonly change: Change;
  readonly why: string;
}

/**
 * Most elements in one transaction. A million bytes or more of it take CAP_NET_ADMIN, and the kernel's memory meanwhile
 * is five times that.
 */
const MOST_ELEMENTS = 100_000;

/** Errors of a transaction as a whole that a smaller one may not meet. */
const TOO_LARGE: ReadonlySet<string> = new Set(['EMSGSIZE', 'ENOMEM', 'ENOBUFS', 'E2BIG']);

/** So many elements alone are not at fault, each for itself, but the whole is. */
const MOST_REFUSALS = 1000;

/** Carries out changes in their order, all of them together where there are not too many. @throws NftError */
export function runChanges(nft: Nftables, layout: Layout, changes: readonly Change[]): void {
  for (let from = 0; from < changes.length; from += MOST_ELEMENTS) {
    const transaction = new Transaction();
    addChanges(transaction, layout, changes.slice(from, from + MOST_ELEMENTS));
    nft.run(transaction);
  }
}

/**
 * As `runChanges`, but leaves out what the kernel refuses.
 *
 * @returns what it refused
 * @throws NftError when it is not for single elements
 */
export function runBisected(nft: Nftables, layout: Layout, changes: readonly Change[]): Refusal[] {
  const refused: Refusal[] = [];
  const attempt = (from: number, to: number): void => {
    if (from >= to) return;
    try {
      runChanges(nft, layout, changes.slice(from, to));
      return;
    } catch (error) {
      if (!isForParts(error) || refused.length >= MOST_REFUSALS) throw error;
      if (to - from === 1) {
        const change = changes[from] as Change;
        // What was to go has gone.
        if (change.now === undefined && isNotFound(error)) return;
        refused.push({ change, why: error.message });
        return;
      }
    }
    const middle = (from + to) >>> 1;
    attempt(from, middle);
    attempt(middle, to);
  };
  attempt(0, changes.length);
  return refused;
}

/** Whether a part of what was refused may well be taken. */
export function isForParts(error: unknown): error is NftError {
  return isNftError(error) && (error.operation !== undefined || TOO_LARGE.has(error.code));
}
