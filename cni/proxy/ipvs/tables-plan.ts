/** From what the tables of iptables hold to what the mode has there, as text for `iptables-restore --noflush`. Pure. */

import { CANARY } from '../iptables/fixed-rules.ts';
import { IPVS_CHAIN } from '../iptables/plan.ts';
import { removeStrays, targetOf } from '../iptables/strays.ts';
import { type RuleText, type SavedTable, TableText } from '../iptables/tables.ts';
import type { ModeSettings } from '../mode.ts';
import { CHAINS, fixedChains, HOOKS, OUT_FILTER } from './rules.ts';

export interface TablesPlan {
  readonly text: string;
  /** Chains written or deleted, and rules put into others or taken out. */
  readonly changes: number;
}

/** @param rules of ports, in OUT_FILTER */
export function planAll(
  saved: ReadonlyMap<string, SavedTable>,
  rules: Iterable<RuleText>,
  settings: ModeSettings,
): TablesPlan {
  const chains = fixedChains(settings);
  chains.filter.set(OUT_FILTER, [...rules].sort());
  const texts = (['nat', 'filter'] as const).map((table) => {
    const text = new TableText(table);
    const held: SavedTable = saved.get(table) ?? new Map();
    for (const [name, wanted] of chains[table]) {
      const there = held.get(name);
      // The order of ports' rules means nothing.
      const isSame = there && sameRules(name === OUT_FILTER ? there.toSorted() : there, wanted);
      if (!isSame) text.write(name, wanted);
    }
    for (const hook of HOOKS[table])
      if (!held.get(hook.chain)?.includes(hook.rule)) text.insert(hook.chain, hook.rule);
    removeStrays(text, held, (name) => chains[table].has(name), HOOKS[table]);
    return text;
  });
  const mangle = new TableText('mangle');
  if (saved.get('mangle')?.has(CANARY)) mangle.delete(CANARY);
  return finish(...texts, mangle);
}

/** What changes between two sets of ports' rules. */
export function planRules(added: Iterable<RuleText>, removed: Iterable<RuleText>): TablesPlan {
  const text = new TableText('filter');
  for (const rule of removed) text.remove(OUT_FILTER, rule);
  for (const rule of added) text.append(OUT_FILTER, rule);
  return finish(text);
}

/**
 * Takes away all that the mode ever programs. Where another mode has taken the tables over, only its own chains can be left, and
 * those are gone as well.
 */
export function planRemoval(saved: ReadonlyMap<string, SavedTable>): TablesPlan {
  const isOurs = saved.get('filter')?.has(IPVS_CHAIN) ?? false;
  if (!isOurs) return finish();
  const texts = (['nat', 'filter'] as const).map((table) => {
    const text = new TableText(table);
    const held: SavedTable = saved.get(table) ?? new Map();
    const kept = new Set<string>();
    for (const [name, rules] of held) {
      if (CHAINS[table].includes(name)) continue;
      for (const rule of rules) {
        if (HOOKS[table].some((one) => one.chain === name && one.rule === rule)) text.remove(name, rule);
        // A chain that somebody else uses cannot go.
        else kept.add(targetOf(rule));
      }
    }
    for (const name of CHAINS[table]) if (held.has(name) && !kept.has(name)) text.delete(name);
    return text;
  });
  return finish(...texts);
}

function sameRules(a: readonly RuleText[], b: readonly RuleText[]): boolean {
  return a.length === b.length && a.every((rule, index) => rule === b[index]);
}

function finish(...tables: readonly TableText[]): TablesPlan {
  return { text: tables.join(''), changes: tables.reduce((sum, table) => sum + table.changes, 0) };
}
