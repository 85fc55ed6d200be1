/** Native nftables chains of others at the forward hook: reading them as filter chains, and the accept they get. Pure. */

import type { Cidr } from '../../../../shared/ip/cidr.ts';
import { ipToBytes } from '../../../../shared/ip/ip.ts';
import { daddr, saddr } from '../../../../shared/nftables/build/address.ts';
import { rule } from '../../../../shared/nftables/build/rule.ts';
import { accept } from '../../../../shared/nftables/build/statement.ts';
import type { Chain } from '../../../../shared/nftables/model/chain.ts';
import type { Element } from '../../../../shared/nftables/model/element.ts';
import type { Family } from '../../../../shared/nftables/model/family.ts';
import type { Rule } from '../../../../shared/nftables/model/rule.ts';
import { Transaction } from '../../../../shared/nftables/transaction.ts';
import { bytesEqual } from '../../network/bytes.ts';
import { sameExpressions } from '../plan-table.ts';
import { type FilterChain, type Placement, standsRight } from './forward-chain.ts';
import { asFilterRules, COMMENT, type NftFilterRule } from './nft-rule.ts';

/** A chain with its rules, as a filter chain; see asFilterRules for the last two. */
export function asFilterChain(
  chain: Chain,
  rules: readonly Rule[],
  elements: (map: string) => readonly Element[] | undefined,
  onUnread: () => void,
): FilterChain<NftFilterRule> {
  return {
    name: chain.name,
    ...(chain.base && { policy: chain.base.policy ?? 'accept' }),
    rules: rules.flatMap((source) => asFilterRules(source, elements, onUnread)),
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
