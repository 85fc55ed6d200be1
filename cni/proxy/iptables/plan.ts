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
import { type RuleText, type SavedTable, type SharedRule, type TableName, TableText } from './tables.ts';
import { TRIAL_CHAIN } from './trial.ts';

export interface Plan {
  readonly text: string;
  /** Chains written or deleted, and rules put into others or taken out. */
  readonly changes: number;
  /** Rules by table: how many there are more than before, and how many are written. */
  readonly rules: Readonly<Record<'filter' | 'nat', { readonly more: number; readonly written: number }>>;
}

export interface AllSettings extends PlanSettings, FixedSettings {}

/** What the tables' programs can do. */
export interface PlanLimits {
  /** Rules in one transaction, as near as it goes; absent: any number. */
  readonly mostRules?: number;
}

/** It is there only where the IPVS mode is, kube-proxy's or ours. */
export const IPVS_CHAIN = 'KUBE-IPVS-FILTER';

const NOTHING: PortRules = { shared: [], chains: new Map() };

/**
 * What changes between two states of some ports. Nothing else is mentioned: a chain that stays keeps its counters, and the
 * chains that all ports share are neither emptied nor written anew.
 */
export function planChanges(
  changes: Iterable<readonly [before: ServicePort | undefined, after: ServicePort | undefined]>,
  settings: PlanSettings,
  { mostRules }: PlanLimits = {},
): Plan {
  const tables = { filter: new TableText('filter', mostRules), nat: new TableText('nat', mostRules) };
  // First what goes, of all ports, then what comes: a frontend may pass from one to the other.
  const coming: SharedRule[] = [];
  const gone = new Set<string>();
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
    for (const name of old.chains.keys()) if (!wanted.chains.has(name)) gone.add(name);
    for (const [name, rules] of wanted.chains)
      if (!sameRules(old.chains.get(name), rules)) tables.nat.write(name, rules);
    tables.nat.cut();
  }
  for (const name of gone) tables.nat.delete(name);
  // Before the last rules, which lead to the node ports.
  for (const { table, chain, rule } of coming) tables[table].insert(chain, rule);
  return finish(more, tables.filter, tables.nat);
}

/** From what the tables hold to all that shall be in them, counted from nothing. What is right is not mentioned. */
export function planAll(
  ports: Iterable<ServicePort>,
  saved: ReadonlyMap<string, SavedTable>,
  settings: AllSettings,
  { mostRules }: PlanLimits = {},
): Plan {
  const shared = { filter: sharedChains('filter'), nat: sharedChains('nat') };
  const texts = { filter: new TableText('filter', mostRules), nat: new TableText('nat', mostRules) };
  const more = { filter: 0, nat: 0 };
  const heldIn = (table: TableName): SavedTable => saved.get(table) ?? new Map();
  const held = { filter: heldIn('filter'), nat: heldIn('nat') };
  const owned = { filter: new Set<string>(), nat: new Set<string>() };
  const own = (table: 'filter' | 'nat', name: string, rules: readonly RuleText[]): void => {
    owned[table].add(name);
    more[table] += rules.length;
    if (!sameRules(held[table].get(name), rules)) texts[table].write(name, rules);
  };
  for (const table of ['filter', 'nat'] as const)
    for (const [name, rules] of fixedChains(settings)[table]) own(table, name, rules);
  for (const port of ports) {
    const rules = rulesOf(port, settings);
    for (const one of rules.shared) shared[one.table].get(one.chain)?.push(one.rule);
    for (const [name, of] of rules.chains) own('nat', name, of);
    texts.nat.cut();
  }
  const last = nodePortRules(settings);
  for (const table of ['filter', 'nat'] as const) {
    const text = texts[table];
    for (const [name, rules] of shared[table]) {
      rules.sort(byTargetDown);
      const ends = table === 'nat' && name === 'KUBE-SERVICES' ? last : [];
      rules.push(...ends);
      more[table] += rules.length;
      // The order of rules for different addresses means nothing, but for the last ones.
      if (!sameMembers(held[table].get(name), rules, ends.length)) text.writeShared(name, rules);
    }
    if (held[table].has(TRIAL_CHAIN)) text.delete(TRIAL_CHAIN);
    const hooks: Hook[] = [...HOOKS[table], ...(table === 'filter' ? kubeletHooks(settings) : [])];
    if (table === 'filter' && servesLoopback(settings) && !held.filter.has(KUBELET_CHAIN))
      text.write(KUBELET_CHAIN, []);
    for (const hook of hooks)
      if (!held[table].get(hook.chain)?.includes(hook.rule)) text.insert(hook.chain, hook.rule);
    removeStrays(text, held[table], (name) => shared[table].has(name) || owned[table].has(name), hooks);
  }
  const mangle = new TableText('mangle');
  if (!heldIn('mangle').has(CANARY)) mangle.write(CANARY, []);
  return finish(more, texts.filter, texts.nat, mangle);
}

/** Takes away all that the mode ever programs, and no more. */
export function planRemoval(saved: ReadonlyMap<string, SavedTable>, { mostRules }: PlanLimits = {}): Plan {
  // Where the IPVS mode has taken the tables over, what is there is its own.
  if (saved.get('filter')?.has(IPVS_CHAIN)) return finish({ filter: 0, nat: 0 });
  const texts = (['filter', 'nat', 'mangle'] as const).map((table) => {
    const text = new TableText(table, mostRules);
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

/**
 * By the chains that rules lead to, the last one first, as iptables over nf_tables likes to have them (see Section). Of those that
 * lead to the same chain what asks for an address comes first.
 */
function byTargetDown(a: RuleText, b: RuleText): number {
  const [x, y] = [a, b].map((rule) => rule.slice(rule.lastIndexOf(' ') + 1)) as [string, string];
  if (x === y) return a < b ? -1 : 1;
  return x < y ? 1 : -1;
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
