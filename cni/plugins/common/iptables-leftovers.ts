/**
 * Whether there can be anything of upstream's iptables masquerade for a container: asked by every DEL with ipMasq, so
 * it is a few system calls and no program (iptables-masquerade.ts).
 */

import type { Nftables } from '../../../shared/nftables/nftables.ts';
import { readStart } from '../../../shared/sys/file.ts';
import { sha512 } from './masquerade-rules.ts';

/** Where iptables-nft keeps its table nat. */
export const natTables: readonly { readonly family: 'ip' | 'ip6'; readonly name: string }[] = [
  { family: 'ip', name: 'nat' },
  { family: 'ip6', name: 'nat' },
];

/** What the programs of a family are called. */
export type LegacyFamily = 'iptables' | 'ip6tables';

/** XT_EXTENSION_MAXNAMELEN − 1 of linux/netfilter/x_tables.h: what upstream fills a chain's name up to. */
const chainLength = 28;

/** The chain of a container's rules: `CNI-` and the start of a hash. */
export function iptablesChain(network: string, containerId: string): string {
  return `CNI-${sha512(network + containerId)}`.slice(0, chainLength);
}

/** Whether iptables-nft has rules of the container: its chain is never without. */
export function isInNft(nft: Nftables, network: string, containerId: string): boolean {
  const chain = iptablesChain(network, containerId);
  return natTables.some((table) => nft.listRuleLabels(table, chain).length > 0);
}

/** The families whose legacy table nat is in use in this namespace; none where the kernel has no legacy iptables. */
export function legacyNatFamilies(): readonly LegacyFamily[] {
  return (['iptables', 'ip6tables'] as const).filter((family) => {
    const names = new Uint8Array(256);
    const length = readStart(
      `/proc/thread-self/net/${family === 'iptables' ? 'ip' : 'ip6'}_tables_names`,
      names,
    );
    return length > 0 && new TextDecoder().decode(names.subarray(0, length)).split('\n').includes('nat');
  });
}
