/** Native nftables chains of others at the forward hook: reading them as filter chains, and the accept they get. Pure. */

import type { Cidr } from '../../../../shared/ip/cidr.ts';
import { ipToBytes } from '../../../../shared/ip/ip.ts';
import { parseAttributes } from '../../../../shared/netlink/codec/attributes.ts';
import { daddr, saddr } from '../../../../shared/nftables/build/address.ts';
import { rule } from '../../../../shared/nftables/build/rule.ts';
import { accept } from '../../../../shared/nftables/build/statement.ts';
import type { Chain } from '../../../../shared/nftables/model/chain.ts';
import type { Expression } from '../../../../shared/nftables/model/expression.ts';
import type { Family } from '../../../../shared/nftables/model/family.ts';
import type { Rule } from '../../../../shared/nftables/model/rule.ts';
import { Transaction } from '../../../../shared/nftables/transaction.ts';
import { bytesEqual } from '../../network/bytes.ts';
import { sameExpressions } from '../plan-table.ts';
import {
  type FilterChain,
  type FilterRule,
  type Placement,
  scopeOfInterfaces,
  standsRight,
} from './forward-chain.ts';
import { effectOfTarget, OWN_CHAIN } from './iptables-text.ts';

const COMMENT = 'underpod agent: forward pods';

export interface NftFilterRule extends FilterRule {
  readonly rule: Rule;
}

/** A chain with its rules, as a filter chain. */
export function asFilterChain(chain: Chain, rules: readonly Rule[]): FilterChain<NftFilterRule> {
  return {
    name: chain.name,
    ...(chain.base && { policy: chain.base.policy ?? 'accept' }),
    rules: rules.map(asFilterRule),
  };
}

/** True for a base chain that may decide about forwarded packets of a family that the cluster has. */
export function isForwardChain(chain: Chain, families: readonly Family[]): boolean {
  return chain.base?.hook === 'forward' && chain.base.type === 'filter' && families.includes(chain.family);
}

/** The accept for each network that the chain's family can see. */
export function acceptRules(chain: Chain, networks: readonly Cidr[]): Rule[] {
  const seen = networks.filter(
    ({ ip }) => chain.family === 'inet' || chain.family === (ip.family === 4 ? 'ip' : 'ip6'),
  );
  return seen.flatMap((network) => [
    rule(chain, [saddr(network), accept()], COMMENT),
    rule(chain, [daddr(network), accept()], COMMENT),
  ]);
}

/** The transaction that puts the accepts where they belong; `undefined` if they are there. */
export function planNftChain(
  chain: Chain,
  filter: FilterChain<NftFilterRule>,
  placement: Placement,
  networks: readonly Cidr[],
): Transaction | undefined {
  const wanted = acceptRules(chain, networks);
  if (!placement.needed || wanted.length === 0) return undefined;
  const ours = filter.rules.filter((candidate) => candidate.ours).map((candidate) => candidate.rule);
  const isRight = standsRight(filter, placement, wanted.length);
  const isSame = ours.every((found, at) => wanted[at] !== undefined && sameExpressions(found, wanted[at]));
  if (isRight && isSame) return undefined;
  const transaction = new Transaction();
  const position = placement.before === undefined ? undefined : filter.rules[placement.before]?.rule.handle;
  for (const accepting of wanted) {
    if (position === undefined) transaction.add(accepting);
    else transaction.insert({ ...accepting, position });
  }
  for (const { family, table, chain: name, handle } of ours) {
    if (handle !== undefined) transaction.deleteRule({ family, table, chain: name, handle });
  }
  return transaction;
}

function asFilterRule(source: Rule): NftFilterRule {
  const effect = effectOf(source.expressions);
  const ours = source.comment === COMMENT || (typeof effect === 'object' && effect.jump === OWN_CHAIN);
  return { rule: source, ours, effect, scope: scopeOf(source.expressions) };
}

function effectOf(expressions: readonly Expression[]): FilterRule['effect'] {
  const last = expressions.at(-1);
  if (last?.kind === 'reject') return 'drop';
  if (last?.kind === 'opaque' && last.name === 'target') return effectOfTarget(extensionName(last.data));
  if (last?.kind !== 'verdict') return 'other';
  switch (last.verdict.code) {
    case 'accept':
    case 'drop':
    case 'return':
      return last.verdict.code;
    case 'jump':
    case 'goto':
      return { jump: last.verdict.chain };
    default:
      return 'other';
  }
}

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

/**
 * True if the agent's chain in a table of iptables over nf_tables accepts to and from these networks. Releases of
 * iptables write an address match differently, so only what all of them have in common is compared.
 */
export function isOwnNftChainRight(rules: readonly Rule[], networks: readonly Cidr[]): boolean {
  const wanted = networks.flatMap((network) => [network, network]);
  return (
    rules.length === wanted.length &&
    rules.every((candidate, at) => {
      const network = wanted[at];
      const last = candidate.expressions.at(-1);
      return (
        network && last?.kind === 'verdict' && last.verdict.code === 'accept' && mentions(candidate, network)
      );
    })
  );
}

function mentions(candidate: Rule, network: Cidr): boolean {
  const bytes = ipToBytes(network.ip).subarray(0, network.prefix >> 3);
  return candidate.expressions.some(
    (expression) =>
      expression.kind === 'cmp' &&
      expression.op === '==' &&
      expression.value.length >= bytes.length &&
      bytesEqual(expression.value.subarray(0, bytes.length), bytes),
  );
}
