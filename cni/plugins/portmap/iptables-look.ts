/** A quick look whether a container has anything in iptables. */

import type { Nftables } from '../../../shared/nftables/nftables.ts';
import type { IptablesFamily } from '../common/iptables-leftovers.ts';
import { hasLegacyNat, iptablesFamilies } from '../common/iptables-leftovers.ts';
import { portsChain } from './iptables-names.ts';
import { openIfSupported } from './nft-backend.ts';

/** Where a container's chain is or may be. */
export interface IptablesPorts {
  /** iptables over nf_tables has it. */
  readonly inNft: readonly IptablesFamily[];
  /** Legacy iptables has a table nat; what is in it only its programs tell. */
  readonly inLegacy: readonly IptablesFamily[];
}

/** Undefined where there is surely nothing. No program is run for it. */
export function mayHaveIptablesPorts(network: string, containerId: string): IptablesPorts | undefined {
  const chain = portsChain(network, containerId);
  using nft = openIfSupported();
  const inNft: IptablesFamily[] = [];
  const inLegacy: IptablesFamily[] = [];
  for (const family of iptablesFamilies) {
    if (nft && hasChain(nft, family, chain)) inNft.push(family);
    if (hasLegacyNat(family)) inLegacy.push(family);
  }
  return inNft.length + inLegacy.length > 0 ? { inNft, inLegacy } : undefined;
}

/** Such a chain is never without rules. */
function hasChain(nft: Nftables, family: IptablesFamily, chain: string): boolean {
  return nft.listRuleLabels({ family: family.nft, name: 'nat' }, chain).length > 0;
}
