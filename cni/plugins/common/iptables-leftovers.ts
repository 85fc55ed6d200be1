/**
 * Whether there can be anything of upstream's iptables masquerade for a container: asked by every DEL with ipMasq, so
 * it is a few system calls and no program (iptables-masquerade.ts).
 */

import type { Nftables } from '../../../shared/nftables/nftables.ts';
import { hasLegacyTable } from './iptables/legacy-table.ts';
import { sha512 } from './masquerade-rules.ts';

/** An address family as nft and iptables call it. */
export interface IptablesFamily {
  readonly ip: 4 | 6;
  readonly nft: 'ip' | 'ip6';
  readonly program: 'iptables' | 'ip6tables';
}

export const iptablesFamilies: readonly IptablesFamily[] = [
  { ip: 4, nft: 'ip', program: 'iptables' },
  { ip: 6, nft: 'ip6', program: 'ip6tables' },
];

/** Where something may be left. */
export interface Leftovers {
  /** The container's chain is in iptables-nft. */
  readonly inNft: readonly IptablesFamily[];
  /** Legacy iptables has a table nat in this namespace; what is in it only its programs tell. */
  readonly inLegacy: readonly IptablesFamily[];
}

/** XT_EXTENSION_MAXNAMELEN − 1 of linux/netfilter/x_tables.h: what upstream fills a chain's name up to. */
const chainLength = 28;

/** The chain of a container's rules: `CNI-` and the start of a hash. */
export function iptablesChain(network: string, containerId: string): string {
  return `CNI-${sha512(network + containerId)}`.slice(0, chainLength);
}

/** Looks for what may be left of a container, in the families given; undefined where there is surely nothing. */
export function findLeftovers(
  nft: Nftables | undefined,
  network: string,
  containerId: string,
  families: readonly IptablesFamily[],
): Leftovers | undefined {
  const chain = iptablesChain(network, containerId);
  const inNft: IptablesFamily[] = [];
  const inLegacy: IptablesFamily[] = [];
  for (const family of families) {
    // The chain is never without rules.
    if (nft && nft.listRuleLabels({ family: family.nft, name: 'nat' }, chain).length > 0) inNft.push(family);
    if (hasLegacyTable(family.ip, 'nat')) inLegacy.push(family);
  }
  return inNft.length + inLegacy.length > 0 ? { inNft, inLegacy } : undefined;
}
