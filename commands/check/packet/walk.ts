/** What a chain of rules decides about one packet, where some of the rules cannot be judged. Pure. */

/** Whether a rule is for the packet. */
export type Match = 'yes' | 'no' | 'maybe';

export type Effect = 'accept' | 'drop' | 'return' | 'other' | { readonly jump: string };

export interface JudgedRule {
  readonly match: Match;
  readonly effect: Effect;
}

export interface JudgedChain {
  /** Of a base chain. */
  readonly policy?: 'accept' | 'drop';
  readonly rules: readonly JudgedRule[];
}

export type Verdict = 'accepted' | 'dropped' | 'unsure';

/** Chains call each other no deeper (NFT_JUMP_STACK_SIZE, include/net/netfilter/nf_tables.h). */
const DEPTH = 16;

/** @param lookup finds chains of the same table */
export function walk(start: JudgedChain, lookup: (name: string) => JudgedChain | undefined): Verdict {
  /** Rules that may have decided before: what follows is sure only if it says the same. */
  const maybe = new Set<'accepted' | 'dropped'>();
  const surely = (verdict: 'accepted' | 'dropped'): Verdict =>
    [...maybe].every((other) => other === verdict) ? verdict : 'unsure';

  const through = (chain: JudgedChain, depth: number, called: boolean): Verdict | undefined => {
    let certain = called;
    for (const { match, effect } of chain.rules) {
      if (match === 'no' || effect === 'other') continue;
      const sure = certain && match === 'yes';
      if (effect === 'return') {
        if (match === 'yes') return undefined;
        certain = false;
        continue;
      }
      if (typeof effect === 'object') {
        const target = depth < DEPTH ? lookup(effect.jump) : undefined;
        const verdict = target && through(target, depth + 1, sure);
        if (verdict !== undefined) return verdict;
        continue;
      }
      const verdict = effect === 'accept' ? 'accepted' : 'dropped';
      if (sure) return surely(verdict);
      maybe.add(verdict);
      // Within a chain that may not be called at all, what follows is not reached.
      if (match === 'yes') return undefined;
    }
    return undefined;
  };
  return through(start, 0, true) ?? surely(start.policy === 'drop' ? 'dropped' : 'accepted');
}
