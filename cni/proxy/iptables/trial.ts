/**
 * A port's rules as a trial: in a chain that nothing leads to, so that the kernel takes them or does not, and no packet meets
 * them. Pure.
 */

import type { ServicePort } from '../model/service-port.ts';
import { type PlanSettings, rulesOf } from './port-rules.ts';
import { type RuleText, TableText } from './tables.ts';

/** There for the moment of a trial. */
export const TRIAL_CHAIN = 'UNDERPOD-TRIAL';

/** All rules of some ports in the trial's chains; jumps to chains of ours go nowhere. */
export function trialOf(ports: readonly ServicePort[], settings: PlanSettings): string {
  const rules: Record<'filter' | 'nat', RuleText[]> = { filter: [], nat: [] };
  for (const port of ports) {
    const { shared, chains } = rulesOf(port, settings);
    for (const { table, rule } of shared) rules[table].push(withoutJump(rule));
    for (const own of chains.values()) rules.nat.push(...own.map(withoutJump));
  }
  const texts = (['filter', 'nat'] as const).map((table) => {
    const text = new TableText(table);
    text.write(TRIAL_CHAIN, rules[table]);
    return text;
  });
  return texts.join('');
}

/** One rule of the table filter. */
export function trialOfRule(rule: RuleText): string {
  const text = new TableText('filter');
  text.write(TRIAL_CHAIN, [rule]);
  return String(text);
}

/** Removes the trial's chains, which are made first where they are not there. */
export function endOfTrial(): string {
  const texts = (['filter', 'nat'] as const).map((table) => {
    const text = new TableText(table);
    text.delete(TRIAL_CHAIN);
    return text;
  });
  return texts.join('');
}

function withoutJump(rule: RuleText): RuleText {
  return rule.replace(/ ?-j KUBE-\S+$/, '');
}
