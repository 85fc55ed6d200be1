/** Reads a chain of nf_tables, native or made by iptables, as a filter chain. */

import type { Chain } from '../../../../shared/nftables/model/chain.ts';
import type { Element } from '../../../../shared/nftables/model/element.ts';
import type { TableRef } from '../../../../shared/nftables/model/table.ts';
import type { Nftables } from '../../../../shared/nftables/nftables.ts';
import type { FilterChain } from './forward-chain.ts';
import { asFilterChain } from './nft-chain.ts';
import type { NftFilterRule } from './nft-rule.ts';

/** @param onUnread see asFilterRules */
export function listFilterChain(
  nftables: Nftables,
  table: TableRef,
  chain: Chain,
  onUnread: () => void,
): FilterChain<NftFilterRule> {
  const elements = (name: string): readonly Element[] | undefined => {
    const map = nftables.listSets(table).find((candidate) => candidate.name === name);
    return map && nftables.listElements(map);
  };
  return asFilterChain(chain, nftables.listRules(table, chain.name), elements, onUnread);
}
