/** The difference between the agent's table as it should be and as it is, as one transaction. Pure. */

import type { Chain } from '../../../shared/nftables/model/chain.ts';
import type { Expression } from '../../../shared/nftables/model/expression.ts';
import type { Rule } from '../../../shared/nftables/model/rule.ts';
import type { Nftables } from '../../../shared/nftables/nftables.ts';
import { Transaction } from '../../../shared/nftables/transaction.ts';
import { bytesEqual } from '../network/bytes.ts';
import type { DesiredTable } from './own-table.ts';

/** A table as listed; `undefined` where it does not exist. */
export interface ListedTable {
  readonly dormant: boolean;
  readonly chains: readonly { readonly chain: Chain; readonly rules: readonly Rule[] }[];
}

/** Reads a table back. */
export function listTable(nftables: Nftables, desired: DesiredTable): ListedTable | undefined {
  const { family, name } = desired.table;
  const table = nftables.listTables(family).find((candidate) => candidate.name === name);
  if (!table) return undefined;
  const rules = nftables.listRules(table);
  return {
    dormant: table.dormant ?? false,
    chains: nftables.listChains(table).map((chain) => ({
      chain,
      rules: rules.filter((rule) => rule.chain === chain.name),
    })),
  };
}

/**
 * The transaction that makes the table right; `undefined` if it is. Only chains that differ are touched: within one
 * transaction a chain's rules are exchanged without a moment in which packets meet none of them.
 */
export function planTable(desired: DesiredTable, listed: ListedTable | undefined): Transaction | undefined {
  const transaction = new Transaction();
  const { table } = desired;
  const isRightTable = listed !== undefined && !listed.dormant;
  if (!isRightTable) {
    if (listed) transaction.deleteTable(table);
    transaction.add(table);
  }
  const there = isRightTable ? listed.chains : [];
  for (const { chain } of there) {
    if (desired.chains.some((wanted) => wanted.chain.name === chain.name)) continue;
    transaction.flushChain(chain).deleteChain(chain);
  }
  for (const { chain, rules } of desired.chains) {
    const found = there.find((candidate) => candidate.chain.name === chain.name);
    if (found && sameHook(found.chain, chain)) {
      if (sameRules(found.rules, rules)) continue;
      transaction.flushChain(chain);
    } else {
      if (found) transaction.flushChain(chain).deleteChain(chain);
      transaction.add(chain);
    }
    for (const rule of rules) transaction.add(rule);
  }
  return transaction.isEmpty ? undefined : transaction;
}

function sameHook({ base: a }: Chain, { base: b }: Chain): boolean {
  if (!a || !b) return a === b;
  return (
    a.type === b.type &&
    a.hook === b.hook &&
    a.priority === b.priority &&
    (a.policy ?? 'accept') === (b.policy ?? 'accept')
  );
}

function sameRules(listed: readonly Rule[], desired: readonly Rule[]): boolean {
  return (
    listed.length === desired.length &&
    listed.every((rule, index) => {
      const wanted = desired[index];
      return wanted !== undefined && rule.comment === wanted.comment && sameExpressions(rule, wanted);
    })
  );
}

/** True if both rules do the same; what counters counted does not matter. */
export function sameExpressions(a: Rule, b: Rule): boolean {
  return (
    a.expressions.length === b.expressions.length &&
    a.expressions.every((expression, index) => same(expression, b.expressions[index]))
  );
}

function same(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (a instanceof Uint8Array || b instanceof Uint8Array) {
    return a instanceof Uint8Array && b instanceof Uint8Array && bytesEqual(a, b);
  }
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if ((a as Expression).kind === 'counter' && (b as Expression).kind === 'counter') return true;
  const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>];
  const keys = (object: Record<string, unknown>): string[] =>
    Object.keys(object).filter((key) => object[key] !== undefined);
  const leftKeys = keys(left);
  return leftKeys.length === keys(right).length && leftKeys.every((key) => same(left[key], right[key]));
}
