/** A quick look whether a container has anything in iptables. */

import type { Nftables } from '../../../shared/nftables/nftables.ts';
import { hasLegacyTable } from '../common/iptables/legacy-table.ts';
import type { IptablesFamily } from '../common/iptables-leftovers.ts';
import { iptablesFamilies } from '../common/iptables-leftovers.ts';
import { portsChain } from './iptables-names.ts';

/** Where a container's chain is or may be. */
export interface IptablesPorts {
  /** iptables over nf_tables has it. */
  readonly inNft: readonly IptablesFamily[];
  /** Legacy iptables has a table nat; what is in it only its programs tell. */
  readonly inLegacy: readonly IptablesFamily[];
}

/** Undefined where there is surely nothing. No program is run for it. */
export function mayHaveIptablesPorts(
  nft: Nftables | undefined,
  network: string,
  containerId: string,
): IptablesPorts | undefined {
  const chain = portsChain(network, containerId);
  const inNft: IptablesFamily[] = [];
  const inLegacy: IptablesFamily[] = [];
  for (const family of iptablesFamilies) {
    if (nft && hasChain(nft, family, chain)) inNft.push(family);
    if (hasLegacyTable(family.ip, 'nat')) inLegacy.push(family);
  }
  return inNft.length + inLegacy.length > 0 ? { inNft, inLegacy } : undefined;
}

/** Such a chain is never without rules. */
function hasChain(nft: Nftables, family: IptablesFamily, chain: string): boolean {
  return nft.listRuleLabels({ family: family.nft, name: 'nat' }, chain).length > 0;
}
