/** From what is programmed to what shall be, as text for `iptables-restore --noflush`. Pure. */

import type { ServicePort } from '../model/service-port.ts';
import {
  CANARY,
  type FixedSettings,
  fixedChains,
  HOOKS,
  type Hook,
  isOwnChain,
  KUBELET_CHAIN,
  kubeletHooks,
  nodePortRules,
  SHARED_CHAINS,
  servesLoopback,
} from './fixed-rules.ts';
import { type PlanSettings, type PortRules, rulesOf } from './port-rules.ts';
import { removeStrays, targetOf } from './strays.ts';
import { type RuleText, type SavedTable, type SharedRule, TableText } from './tables.ts';
import { TRIAL_CHAIN } from './trial.ts';

export interface Plan {
  readonly text: string;
  /** Chains written or deleted, and rules put into others or taken out. */
  readonly changes: number;
  /** Rules by table: how many there are more than before, and how many are written. */
  readonly rules: Readonly<Record<'filter' | 'nat', { readonly more: number; readonly written: number }>>;
}

export type AllSettings = PlanSettings & FixedSettings;

const NOTHING: PortRules = { shared: [], chains: new Map() };

/**
 * What changes between two states of some ports. Nothing else is mentioned: a chain that stays keeps its counters, and the
 * chains that all ports share are neither emptied nor written anew.
 */
export function planChanges(
  changes: Iterable<readonly [before: ServicePort | undefined, after: ServicePort | undefined]>,
  settings: PlanSettings,
): Plan {
  const tables = { filter: new TableText('filter'), nat: new TableText('nat') };
  // First what goes, of all ports, then what comes: a frontend may pass from one to the other.
  const coming: SharedRule[] = [];
  const chains = new Map<string, readonly RuleText[] | undefined>();
  const more = { filter: 0, nat: 0 };
  for (const [before, after] of changes) {
    const old = before ? rulesOf(before, settings) : NOTHING;
    const wanted = after ? rulesOf(after, settings) : NOTHING;
    count(old, more, -1);
    count(wanted, more, 1);
    const stays = (one: SharedRule, among: PortRules): boolean =>
      among.shared.some(
        ({ table, chain, rule }) => table === one.table && chain === one.chain && rule === one.rule,
      );
    for (const one of old.shared) if (!stays(one, wanted)) tables[one.table].remove(one.chain, one.rule);
    coming.push(...wanted.shared.filter((one) => !stays(one, old)));
    for (const name of old.chains.keys()) if (!wanted.chains.has(name)) chains.set(name, undefined);
    for (const [name, rules] of wanted.chains)
      if (!sameRules(old.chains.get(name), rules)) chains.set(name, rules);
  }
  // Before the last rules, which lead to the node ports.
  for (const { table, chain, rule } of coming) tables[table].insert(chain, rule);
  for (const [name, rules] of chains) {
    if (rules) tables.nat.write(name, rules);
    else tables.nat.delete(name);
  }
  return finish(more, tables.filter, tables.nat);
}

/** From what the tables hold to all that shall be in them, counted from nothing. What is right is not mentioned. */
export function planAll(
  ports: Iterable<ServicePort>,
  saved: ReadonlyMap<string, SavedTable>,
  settings: AllSettings,
): Plan {
  const chains = fixedChains(settings);
  const shared = { filter: sharedChains('filter'), nat: sharedChains('nat') };
  for (const port of ports) {
    const rules = rulesOf(port, settings);
    for (const one of rules.shared) shared[one.table].get(one.chain)?.push(one.rule);
    for (const [name, of] of rules.chains) chains.nat.set(name, of);
  }
  shared.nat.get('KUBE-SERVICES')?.push(...nodePortRules(settings));
  const more = { filter: 0, nat: 0 };
  const texts = (['filter', 'nat'] as const).map((table) => {
    const text = new TableText(table);
    const held = saved.get(table) ?? new Map();
    for (const rules of [...shared[table].values(), ...chains[table].values()]) more[table] += rules.length;
    const last = table === 'nat' ? nodePortRules(settings).length : 0;
    for (const [name, rules] of shared[table]) {
      // The order of rules for different addresses means nothing, but for the last ones.
      const there = held.get(name);
      if (!sameMembers(there, rules, name === 'KUBE-SERVICES' ? last : 0)) text.write(name, rules);
    }
    for (const [name, rules] of chains[table]) if (!sameRules(held.get(name), rules)) text.write(name, rules);
    if (held.has(TRIAL_CHAIN)) text.delete(TRIAL_CHAIN);
    const hooks: Hook[] = [...HOOKS[table], ...(table === 'filter' ? kubeletHooks(settings) : [])];
    if (table === 'filter' && servesLoopback(settings) && !held.has(KUBELET_CHAIN))
      text.write(KUBELET_CHAIN, []);
    for (const hook of hooks)
      if (!held.get(hook.chain)?.includes(hook.rule)) text.insert(hook.chain, hook.rule);
    removeStrays(text, held, (name) => shared[table].has(name) || chains[table].has(name), hooks);
    return text;
  });
  const mangle = new TableText('mangle');
  if (!saved.get('mangle')?.has(CANARY)) mangle.write(CANARY, []);
  return finish(more, ...texts, mangle);
}

/** Takes away all that the mode ever programs, and no more. */
export function planRemoval(saved: ReadonlyMap<string, SavedTable>): Plan {
  // Where the IPVS mode has taken the tables over, what is there is its own.
  if (saved.get('filter')?.has('KUBE-IPVS-FILTER')) return finish({ filter: 0, nat: 0 });
  const texts = (['filter', 'nat', 'mangle'] as const).map((table) => {
    const text = new TableText(table);
    const held: SavedTable = saved.get(table) ?? new Map();
    const isOurs = (name: string): boolean => isOwnChain(table, name);
    const kept = new Set<string>();
    for (const [name, rules] of held) {
      if (isOurs(name)) continue;
      for (const rule of rules) {
        const hooks = table === 'mangle' ? [] : HOOKS[table];
        if (hooks.some((one) => one.chain === name && one.rule === rule)) text.remove(name, rule);
        // A chain that somebody else uses cannot go.
        else kept.add(targetOf(rule));
      }
    }
    for (const name of held.keys()) if (isOurs(name) && !kept.has(name)) text.delete(name);
    return text;
  });
  return finish({ filter: 0, nat: 0 }, ...texts);
}

function sharedChains(table: 'filter' | 'nat'): Map<string, RuleText[]> {
  return new Map(SHARED_CHAINS[table].map((name) => [name, []]));
}

function sameRules(a: readonly RuleText[] | undefined, b: readonly RuleText[]): boolean {
  return a !== undefined && a.length === b.length && a.every((rule, index) => rule === b[index]);
}

/** The same rules in any order, but for the last ones. */
function sameMembers(a: readonly RuleText[] | undefined, b: readonly RuleText[], last: number): boolean {
  if (a === undefined || a.length !== b.length) return false;
  if (!sameRules(a.slice(a.length - last), b.slice(b.length - last))) return false;
  const known = new Set(a);
  return known.size === new Set(b).size && b.every((rule) => known.has(rule));
}

/** Ports of which something is not in the tables as it shall be. */
export function portsToWrite(
  ports: Iterable<ServicePort>,
  saved: ReadonlyMap<string, SavedTable>,
  settings: PlanSettings,
): ServicePort[] {
  const held = new Map<string, ReadonlySet<RuleText>>();
  const isHeld = ({ table, chain, rule }: SharedRule): boolean => {
    const key = `${table} ${chain}`;
    const rules = held.get(key) ?? new Set(saved.get(table)?.get(chain));
    held.set(key, rules);
    return rules.has(rule);
  };
  return [...ports].filter((port) => {
    const { shared, chains } = rulesOf(port, settings);
    const nat = saved.get('nat');
    return !shared.every(isHeld) || [...chains].some(([name, rules]) => !sameRules(nat?.get(name), rules));
  });
}

function count({ shared, chains }: PortRules, more: { filter: number; nat: number }, sign: 1 | -1): void {
  for (const { table } of shared) more[table] += sign;
  for (const rules of chains.values()) more.nat += sign * rules.length;
}

function finish(more: Readonly<Record<'filter' | 'nat', number>>, ...tables: readonly TableText[]): Plan {
  const counted = (name: 'filter' | 'nat'): Plan['rules'][typeof name] => ({
    more: more[name],
    written: tables.find(({ table }) => table === name)?.rules ?? 0,
  });
  return {
    text: tables.join(''),
    changes: tables.reduce((sum, table) => sum + table.changes, 0),
    rules: { filter: counted('filter'), nat: counted('nat') },
  };
}
