/** Native rules of others, read as filter rules: what one does, and for which packets. Pure. */

import { parseAttributes } from '../../../../shared/netlink/codec/attributes.ts';
import type { Element } from '../../../../shared/nftables/model/element.ts';
import type { Expression } from '../../../../shared/nftables/model/expression.ts';
import type { Rule } from '../../../../shared/nftables/model/rule.ts';
import type { Verdict } from '../../../../shared/nftables/model/verdict.ts';
import { type FilterRule, scopeOfInterfaces } from './forward-chain.ts';
import { effectOfTarget, OWN_CHAIN } from './iptables-text.ts';

/** What the agent's rules in the chains of others say. */
export const COMMENT = 'underpod agent: forward pods';

export interface NftFilterRule extends FilterRule {
  readonly rule: Rule;
}

type Effect = FilterRule['effect'];

/**
 * A rule as filter rules: one that decides by a map is as many as the map has elements.
 *
 * @param elements of a map of the same table; `undefined` where there is no such map
 * @param onUnread hears of a rule that decides by interfaces and something else at once
 */
export function asFilterRules(
  source: Rule,
  elements: (map: string) => readonly Element[] | undefined,
  onUnread: () => void,
): NftFilterRule[] {
  const asMap = readVerdictMap(source.expressions, elements);
  if (asMap === 'unread') onUnread();
  if (asMap === undefined || asMap === 'unread') return [asFilterRule(source)];
  return asMap.map((part) => ({ rule: source, ours: false, ...part }));
}

function asFilterRule(source: Rule): NftFilterRule {
  const effect = effectOf(source.expressions);
  const ours = source.comment === COMMENT || (typeof effect === 'object' && effect.jump === OWN_CHAIN);
  return { rule: source, ours, effect, scope: scopeOf(source.expressions) };
}

function effectOf(expressions: readonly Expression[]): Effect {
  const last = expressions.at(-1);
  if (last?.kind === 'reject') return 'drop';
  if (last?.kind === 'opaque' && last.name === 'target') return effectOfTarget(extensionName(last.data));
  return last?.kind === 'verdict' ? effectOfVerdict(last.verdict) : 'other';
}

function effectOfVerdict(verdict: Verdict): Effect {
  switch (verdict.code) {
    case 'accept':
    case 'drop':
    case 'return':
      return verdict.code;
    case 'jump':
    case 'goto':
      return { jump: verdict.chain };
    default:
      return 'other';
  }
}

/**
 * What a rule that decides by a map of interfaces (`iifname vmap { "eth0" : jump fromext }`) does for each of them.
 * `undefined` for any other rule, among them those by addresses, ports or states, which are somebody's policy.
 */
function readVerdictMap(
  expressions: readonly Expression[],
  elements: (map: string) => readonly Element[] | undefined,
): Pick<FilterRule, 'effect' | 'scope'>[] | 'unread' | undefined {
  const rest = expressions.filter((expression) => !isNeutral(expression));
  const lookup = rest.pop();
  if (lookup?.kind !== 'lookup' || lookup.dest !== 'verdict') return undefined;
  // As in other rules: "meta nfproto ipv4" before it may be the pods'.
  while (rest[0]?.kind === 'meta' && rest[0].key === 'nfproto' && rest[1]?.kind === 'cmp') rest.splice(0, 2);
  const sizes = rest.map((load) => (load.kind === 'meta' ? MAP_KEYS[load.key] : undefined));
  if (sizes.every((size) => size === undefined)) return undefined;
  const found = elements(lookup.set);
  if (!found || sizes.some((size) => size === undefined)) return 'unread';
  return found.map(({ key, data }) => {
    const wanted: string[] = [];
    let at = 0;
    for (const size of sizes as number[]) {
      if (size === NAME_SIZE) wanted.push(nameOf(key.subarray(at, at + size)));
      at += size;
    }
    const effect = data && 'code' in data ? effectOfVerdict(data) : 'other';
    // A family counts as an interface would: what it accepts is not all there is.
    return { effect, scope: scopeOfInterfaces(sizes.length, wanted) };
  });
}

/** Length of an interface's name in a key, in bytes (IFNAMSIZ, linux/if.h). */
const NAME_SIZE = 16;
/** What may be asked by a map that is nobody's policy, with its size in a key (padded to four bytes). */
const MAP_KEYS: Readonly<Partial<Record<string, number>>> = {
  iifname: NAME_SIZE,
  oifname: NAME_SIZE,
  iif: 4,
  oif: 4,
  nfproto: 4,
};

/** What does not narrow down which packets a rule is for. */
function isNeutral(expression: Expression): boolean {
  return (
    expression.kind === 'counter' ||
    expression.kind === 'verdict' ||
    expression.kind === 'reject' ||
    (expression.kind === 'opaque' &&
      (expression.name === 'log' ||
        expression.name === 'target' ||
        (expression.name === 'match' && extensionName(expression.data) === 'comment')))
  );
}

function scopeOf(expressions: readonly Expression[]): FilterRule['scope'] {
  const wanted: string[] = [];
  let asked = 0;
  const rest = expressions.filter((expression) => !isNeutral(expression));
  for (let at = 0; at < rest.length; at += 2) {
    const [load, test] = [rest[at], rest[at + 1]];
    if (load?.kind !== 'meta' || (test?.kind !== 'cmp' && test?.kind !== 'lookup')) return 'some';
    // "meta nfproto ipv4" narrows down to one family, which may be the pods'.
    if (load.key === 'nfproto') continue;
    if (!['iifname', 'oifname', 'iif', 'oif'].includes(load.key)) return 'some';
    asked += 1;
    const isName = load.key === 'iifname' || load.key === 'oifname';
    if (isName && test.kind === 'cmp' && test.op === '==') wanted.push(nameOf(test.value));
  }
  return scopeOfInterfaces(asked, wanted);
}

function nameOf(value: Uint8Array): string {
  const end = value.indexOf(0);
  return new TextDecoder().decode(end < 0 ? value : value.subarray(0, end));
}

/**
 * The name of an iptables extension that a rule of iptables over nf_tables uses: NFTA_MATCH_NAME and NFTA_TARGET_NAME
 * are both 1 (linux/netfilter/nf_tables_compat.h).
 */
function extensionName(data: Uint8Array | undefined): string {
  const name = parseAttributes(data ?? new Uint8Array()).find((attribute) => attribute.type === 1);
  return name ? nameOf(name.payload) : '';
}
