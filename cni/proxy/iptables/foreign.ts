/** Which changes of iptables' tables may have taken something of ours away. Pure. */

import { NFT_MSG } from '../../../shared/nftables/codec/message.ts';
import { HOOKS, isOwnChain, KUBELET_CHAIN } from './fixed-rules.ts';
import type { TableName } from './tables.ts';

/** Where jumps to our chains stand among others' rules. */
const HOOK_CHAINS: ReadonlySet<string> = new Set([
  ...[...HOOKS.filter, ...HOOKS.nat].map(({ chain }) => chain),
  KUBELET_CHAIN,
]);

/**
 * Of one of our tables. What others add beside our rules is theirs alone: pods' host ports, the kubelet's canaries.
 *
 * @param type NFT_MSG.NEWRULE, DELCHAIN, …
 */
export type MayHarm = (type: number, table: TableName, chain: string | undefined) => boolean;

/** @param hookChains where jumps to our chains stand among others' rules */
export function harmTo(
  hookChains: ReadonlySet<string>,
  isOwn: (table: TableName, chain: string) => boolean,
): MayHarm {
  return (type, table, chain) => {
    switch (type) {
      case NFT_MSG.DELTABLE:
        return true;
      case NFT_MSG.DELRULE:
        return chain !== undefined && (hookChains.has(chain) || isOwn(table, chain));
      case NFT_MSG.NEWCHAIN:
      case NFT_MSG.DELCHAIN:
      case NFT_MSG.NEWRULE:
        return chain !== undefined && isOwn(table, chain);
      default:
        return false;
    }
  };
}

/** To the iptables mode. */
export const mayHarm: MayHarm = harmTo(HOOK_CHAINS, isOwnChain);
