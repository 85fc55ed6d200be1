/** A chain as it is wanted, comparable with one that the kernel lists. Pure. */

import { anonymousVerdicts } from '../../../shared/nftables/build/anonymous.ts';
import { compile, type Part } from '../../../shared/nftables/build/rule.ts';
import type { BaseHook, ChainRef } from '../../../shared/nftables/model/chain.ts';
import { integer } from '../../../shared/nftables/model/data-type.ts';
import type { Element } from '../../../shared/nftables/model/element.ts';
import type { Expression } from '../../../shared/nftables/model/expression.ts';
import type { Transaction } from '../../../shared/nftables/transaction.ts';
import type { Layout } from './layout.ts';

export interface RuleSpec {
  readonly expressions: readonly Expression[];
  readonly comment?: string;
  /** What the one verdict map that belongs to the rule holds; the rule calls it `CHOICE`. */
  readonly choice?: readonly Element[];
}

export interface ChainSpec {
  readonly name: string;
  readonly base?: BaseHook;
  readonly rules: readonly RuleSpec[];
}

/** Stands for the map of `RuleSpec.choice` in the rule's parts. */
export const CHOICE = { name: '__map%d', id: 0 } as const;

/** A rule of a table of this family. */
export function ruleOf({ table }: Layout, parts: readonly Part[], comment?: string): RuleSpec {
  const expressions = compile(table.family, ...parts);
  return comment === undefined ? { expressions } : { expressions, comment };
}

/** A rule that ends in a choice by a number. */
export function choiceOf(layout: Layout, parts: readonly Part[], choice: readonly Element[]): RuleSpec {
  return { ...ruleOf(layout, parts), choice };
}

/** Adds the rules to a chain that is there and empty. */
export function addRules(transaction: Transaction, { table }: Layout, chain: ChainSpec): void {
  const ref: ChainRef = { family: table.family, table: table.name, name: chain.name };
  for (const { expressions, comment, choice } of chain.rules) {
    const map = choice && anonymousVerdicts(transaction, table, [integer], choice);
    transaction.add({
      kind: 'rule',
      family: ref.family,
      table: ref.table,
      chain: ref.name,
      expressions: map === undefined ? expressions : expressions.map((e) => withMap(e, map.id)),
      ...(comment === undefined ? {} : { comment }),
    });
  }
}

function withMap(expression: Expression, id: number): Expression {
  return expression.kind === 'lookup' && expression.set === CHOICE.name
    ? { ...expression, setId: id }
    : expression;
}

/**
 * What a rule does, as text that is the same for the rule as it is wanted and as it is listed.
 *
 * @param choice of a listed rule: what its anonymous map holds
 */
export function fingerprint({ expressions, comment, choice }: RuleSpec): string {
  const verdicts = choice && [...choice].sort((a, b) => (a.key.toHex() < b.key.toHex() ? -1 : 1));
  return JSON.stringify([expressions, comment, verdicts], (key, value) => {
    if (key === 'setId') return undefined;
    if (key === 'set' && typeof value === 'string' && value.startsWith('__')) return CHOICE.name;
    if (value instanceof Uint8Array) return value.toHex();
    return typeof value === 'bigint' ? String(value) : value;
  });
}

/** Whether two chains hold the same rules. */
export function sameRules(a: ChainSpec, b: ChainSpec): boolean {
  if (a === b) return true;
  if (a.rules.length !== b.rules.length) return false;
  return a.rules.every((rule, at) => fingerprint(rule) === fingerprint(b.rules[at] as RuleSpec));
}
