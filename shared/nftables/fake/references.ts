import type { BaseHook } from '../model/chain.ts';
import type { Expression } from '../model/expression.ts';
import { type ChainState, refuse, type TableState } from './state.ts';

/** The sets that a rule looks into or adds to. */
export function setsOf(expressions: readonly Expression[]): string[] {
  return expressions.flatMap((expression) =>
    expression.kind === 'lookup' || expression.kind === 'dynset' ? [expression.set] : [],
  );
}

/** The chains that a rule's verdicts or the maps that it asks for a verdict lead to. */
export function targetsOf(table: TableState, expressions: readonly Expression[]): string[] {
  return expressions.flatMap((expression) => {
    if (expression.kind === 'verdict') return 'chain' in expression.verdict ? [expression.verdict.chain] : [];
    if (expression.kind !== 'lookup' || expression.dest !== 'verdict') return [];
    return mapTargets(table, expression.set);
  });
}

function mapTargets(table: TableState, map: string): string[] {
  const targets = new Set<string>();
  for (const { element } of table.sets.get(map)?.elements.values() ?? []) {
    const { data } = element;
    if (data !== undefined && !(data instanceof Uint8Array) && 'chain' in data) targets.add(data.chain);
  }
  return [...targets];
}

export function isChainUsed(table: TableState, name: string): boolean {
  for (const { rules } of table.chains.values()) {
    for (const { expressions } of rules) {
      if (expressions.some((e) => e.kind === 'verdict' && 'chain' in e.verdict && e.verdict.chain === name))
        return true;
    }
  }
  for (const [map, { set }] of table.sets) {
    if (set.kind === 'map' && set.data === 'verdict' && mapTargets(table, map).includes(name)) return true;
  }
  return false;
}

export function isSetUsed(table: TableState, name: string): boolean {
  for (const { rules } of table.chains.values()) {
    if (rules.some(({ expressions }) => setsOf(expressions).includes(name))) return true;
  }
  return false;
}

/**
 * What the kernel checks of a table once rules or verdicts changed: no chain that packets reach leads back to itself, and translations
 * lie where the packet path has a place for them.
 * @throws Refusal EMLINK, EOPNOTSUPP
 */
export function validate(table: TableState): void {
  for (const state of table.chains.values()) {
    if (state.chain.base !== undefined) visit(table, state, state.chain.base, new Set());
  }
}

/** @param base the base chain that the packet comes from */
function visit(table: TableState, state: ChainState, base: BaseHook, path: Set<string>): void {
  if (path.has(state.chain.name)) refuse('EMLINK');
  path.add(state.chain.name);
  for (const { expressions } of state.rules) {
    for (const expression of expressions) checkPlace(expression, base);
    for (const target of targetsOf(table, expressions)) {
      const next = table.chains.get(target);
      if (next !== undefined) visit(table, next, base, path);
    }
  }
  path.delete(state.chain.name);
}

function checkPlace(expression: Expression, base: BaseHook): void {
  if (expression.kind === 'masquerade' && (base.type !== 'nat' || base.hook !== 'postrouting'))
    refuse('EOPNOTSUPP');
  if (expression.kind === 'nat') {
    const places = expression.type === 'dnat' ? ['prerouting', 'output'] : ['postrouting', 'input'];
    if (base.type !== 'nat' || !places.includes(base.hook)) refuse('EOPNOTSUPP');
  }
  if (
    expression.kind === 'reject' &&
    !['input', 'forward', 'output', 'prerouting', 'ingress'].includes(base.hook)
  ) {
    refuse('EOPNOTSUPP');
  }
}

/** Sets without a name that no rule uses, which a transaction must not leave behind. */
export function hasLooseSets(table: TableState): boolean {
  for (const [name, { set }] of table.sets) if (set.anonymous && !isSetUsed(table, name)) return true;
  return false;
}
