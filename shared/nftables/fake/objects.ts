import type { BaseHook, Chain, ChainRef } from '../model/chain.ts';
import type { Rule, RuleRef } from '../model/rule.ts';
import type { NftMap, NftSet, SetRef } from '../model/set.ts';
import type { Table, TableRef } from '../model/table.ts';
import { canonicalChain, canonicalRule, canonicalSet } from './canonical.ts';
import { isChainUsed, isSetUsed, setsOf, validate } from './references.ts';
import { type ChainState, type Draft, nextHandle, refuse, type TableState, tableKey } from './state.ts';

type Creation = 'add' | 'create';

/** Hooks that a chain type has (nft_chain_filter.c, nft_chain_nat.c, nft_chain_route.c). */
const NAT_HOOKS = ['prerouting', 'input', 'output', 'postrouting'];
/** Connection tracking comes at −200 (NF_IP_PRI_CONNTRACK): no translation before it. */
const FIRST_NAT_PRIORITY = -200;

export function addTable(draft: Draft, verb: Creation, table: Table): void {
  const found = draft.findTable(table);
  if (found !== undefined) {
    if (verb === 'create') refuse('EEXIST');
    const { dormant: _, ...rest } = found.table;
    found.table = table.dormant ? { ...rest, dormant: true } : rest;
    return;
  }
  draft.lastTableHandle += 1n;
  draft.tables.set(tableKey(table.family, table.name), {
    table: { ...table, handle: draft.lastTableHandle },
    chains: new Map(),
    sets: new Map(),
    lastHandle: 0n,
  });
}

export function deleteTable(draft: Draft, { family, name }: TableRef): void {
  draft.table(family, name);
  draft.tables.delete(tableKey(family, name));
}

export function addChain(draft: Draft, verb: Creation, chain: Chain): void {
  const table = draft.table(chain.family, chain.table);
  if (table.chains.has(chain.name)) {
    if (verb === 'create') refuse('EEXIST');
    updateChain(draft.chain(chain), chain.base);
    return;
  }
  const { base } = chain;
  if (base?.type === 'nat' && (!NAT_HOOKS.includes(base.hook) || base.priority <= FIRST_NAT_PRIORITY)) {
    refuse('EOPNOTSUPP');
  }
  if (base?.type === 'route' && base.hook !== 'output') refuse('EOPNOTSUPP');
  table.chains.set(chain.name, { chain: { ...canonicalChain(chain), handle: nextHandle(table) }, rules: [] });
}

/** Of a chain that is there only the policy can change. */
function updateChain(state: ChainState, wanted: BaseHook | undefined): void {
  if (wanted === undefined) return;
  const { base } = state.chain;
  if (base === undefined) refuse('EEXIST');
  if (base.type !== wanted.type || base.hook !== wanted.hook || base.priority !== wanted.priority)
    refuse('EEXIST');
  if (wanted.policy !== undefined) state.chain = { ...state.chain, base: { ...base, policy: wanted.policy } };
}

export function deleteChain(draft: Draft, ref: ChainRef): void {
  const table = draft.table(ref.family, ref.table);
  const state = draft.chain(ref);
  const { rules } = state;
  state.rules = [];
  if (isChainUsed(table, ref.name)) refuse('EBUSY');
  table.chains.delete(ref.name);
  dropAnonymous(table, rules);
}

/** @param resolve gives the real name of a set that the transaction names by its id */
export function addRule(
  draft: Draft,
  verb: 'add' | 'insert' | 'replace',
  rule: Rule,
  resolve: (name: string, id: number | undefined) => string,
): void {
  const table = draft.table(rule.family, rule.table);
  const { rules } = draft.chain({ family: rule.family, table: rule.table, name: rule.chain });
  const position = rule.position === undefined ? undefined : findRule(rules, rule.position);
  const replaced = verb === 'replace' ? findRule(rules, rule.handle ?? refuse('EINVAL')) : undefined;
  const expressions = canonicalRule(rule).expressions.map((expression) => {
    if (expression.kind === 'verdict' && 'chain' in expression.verdict)
      checkTarget(table, expression.verdict.chain);
    if (expression.kind !== 'lookup' && expression.kind !== 'dynset') return expression;
    const { setId, ...rest } = expression;
    const set = resolve(rest.set, setId);
    if (!table.sets.has(set)) refuse('ENOENT');
    return { ...rest, set };
  });
  const { position: _, ...rest } = rule;
  const made = { ...rest, expressions, handle: nextHandle(table) };
  if (replaced !== undefined) dropAnonymous(table, rules.splice(replaced, 1, made));
  else if (verb === 'insert') rules.splice(position ?? 0, 0, made);
  else rules.splice(position === undefined ? rules.length : position + 1, 0, made);
  validate(table);
}

export function deleteRule(draft: Draft, ref: RuleRef): void {
  const table = draft.table(ref.family, ref.table);
  const { rules } = draft.chain({ family: ref.family, table: ref.table, name: ref.chain });
  dropAnonymous(table, rules.splice(findRule(rules, ref.handle), 1));
}

export function flushChain(draft: Draft, ref: ChainRef): void {
  const { rules } = draft.chain(ref);
  dropAnonymous(draft.table(ref.family, ref.table), rules.splice(0));
}

function findRule(rules: readonly { readonly handle: bigint }[], handle: bigint): number {
  const index = rules.findIndex((rule) => rule.handle === handle);
  return index < 0 ? refuse('ENOENT') : index;
}

/** A chain that jumps may lead to: it is there, and not a base chain. */
export function checkTarget(table: TableState, name: string): void {
  const target = table.chains.get(name);
  if (target === undefined) refuse('ENOENT');
  if (target.chain.base !== undefined) refuse('EOPNOTSUPP');
}

/** Anonymous sets go with the rule that used them. */
function dropAnonymous(table: TableState, rules: readonly Rule[]): void {
  for (const { expressions } of rules) {
    for (const name of setsOf(expressions)) if (table.sets.get(name)?.set.anonymous) table.sets.delete(name);
  }
}

/** @returns the set's name: an anonymous one is given its number here */
export function addSet(draft: Draft, verb: Creation, wanted: NftSet | NftMap): string {
  const set = canonicalSet(wanted);
  const table = draft.table(set.family, set.table);
  const name = set.anonymous ? freeName(table, set.name) : set.name;
  const found = table.sets.get(name);
  if (found !== undefined) {
    if (verb === 'create' || !sameDefinition(found.set, set)) refuse('EEXIST');
    return name;
  }
  table.sets.set(name, {
    set: { ...set, name, handle: nextHandle(table) },
    elements: new Map(),
  });
  return name;
}

function freeName(table: TableState, template: string): string {
  for (let i = 0; ; i++) {
    const name = template.replace('%d', String(i));
    if (!table.sets.has(name)) return name;
  }
}

/** As the kernel compares: comments and other userdata do not count. */
function sameDefinition(a: NftSet | NftMap, b: NftSet | NftMap): boolean {
  const facts = (set: NftSet | NftMap): string =>
    JSON.stringify([
      set.kind,
      set.key.map(({ id, size }) => [id, size]),
      set.kind === 'map' && (set.data === 'verdict' ? set.data : set.data.map(({ id, size }) => [id, size])),
      set.interval ?? false,
      set.constant ?? false,
      set.dynamic ?? false,
      set.timeouts ?? set.timeout !== undefined,
      set.timeout,
      set.gcInterval,
      set.size,
      set.policy === 'memory',
    ]);
  return facts(a) === facts(b);
}

export function deleteSet(draft: Draft, ref: SetRef): void {
  const table = draft.table(ref.family, ref.table);
  if (!table.sets.has(ref.name)) refuse('ENOENT');
  if (isSetUsed(table, ref.name)) refuse('EBUSY');
  table.sets.delete(ref.name);
}
