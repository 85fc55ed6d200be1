/** Which of iptables' two kinds of tables this node's rules belong into. */

import type { Kernel } from '../../kernel/kernel.ts';
import { findIptables, type IptablesVariant, listChain, plainVariant } from './programs.ts';

/** The kubelet's chain in the mangle table that tells others which kind the node uses (Kubernetes KEP-3178). */
const HINT = 'KUBE-IPTABLES-HINT';
const FAMILIES = ['ip', 'ip6'] as const;

/**
 * What the kubelet says, else where flanneld's chains are, else what the program `iptables` is: an image's own program
 * says nothing about the node.
 *
 * @throws Error where there are no programs
 */
export async function chooseVariant(kernel: Kernel): Promise<IptablesVariant> {
  const inNft = (table: string, chain: string): boolean =>
    FAMILIES.some((family) =>
      kernel.nftables.listChains({ family, name: table }).some((candidate) => candidate.name === chain),
    );
  const inLegacy = async (table: string, chain: string): Promise<boolean> => {
    for (const family of [4, 6] as const) {
      // Asking the program first would make the table.
      if (kernel.legacyFingerprint(family, table) === undefined) continue;
      const programs = await findIptables(kernel, 'legacy', family);
      if (programs && (await listChain(kernel, programs, table, chain))) return true;
    }
    return false;
  };
  for (const [table, chain] of [
    ['mangle', HINT],
    ['nat', 'FLANNEL-POSTRTG'],
    ['filter', 'FLANNEL-FWD'],
  ] as const) {
    if (inNft(table, chain)) return 'nft';
    if (await inLegacy(table, chain)) return 'legacy';
  }
  const plain = await plainVariant(kernel, 4);
  if (plain) return plain;
  for (const variant of ['nft', 'legacy'] as const) {
    if (await findIptables(kernel, variant, 4)) return variant;
  }
  throw new Error(
    'the rules are to be in iptables, but its programs are missing: install iptables, or say --rules=nftables',
  );
}
