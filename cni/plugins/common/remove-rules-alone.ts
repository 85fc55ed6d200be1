import { collectErrors } from './collect-errors.ts';
import { leaveCloseToChild } from './leave-close.ts';
import { removeRules } from './remove-rules.ts';
import type { RuleRemoval } from './rule-changes.ts';

/**
 * As removeRules, for a DEL that removes no interface: a child of its own closes the packet filter.
 *
 * @throws what failed, an AggregateError where it is several
 */
export async function removeRulesAlone(removals: readonly RuleRemoval[]): Promise<void> {
  const errors = collectErrors('DEL');
  using nft = await removeRules(removals, errors);
  if (nft) leaveCloseToChild(nft);
  errors.throwIfAny();
}
