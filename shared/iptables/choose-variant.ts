/** Which of iptables' two kinds of tables a node's rules belong into. */

import {
  findPrograms,
  hasChain,
  type IptablesMachine,
  type IptablesVariant,
  plainVariant,
} from './programs.ts';

/** The kubelet's chain in the mangle table that tells others which kind the node uses (Kubernetes KEP-3178). */
const HINT = ['mangle', 'KUBE-IPTABLES-HINT'] as const;
const FAMILIES = [4, 6] as const;

/**
 * What the kubelet says, else where certain chains are, else what the program `iptables` is: an image's own program
 * says nothing about the node.
 *
 * @param chains table and name of those that a predecessor, or an earlier run, may have left; looked for in this order
 * @returns `undefined` where there are no programs
 * @throws Error where a program does not work
 */
export async function chooseVariant(
  machine: IptablesMachine,
  chains: readonly (readonly [table: string, chain: string])[],
): Promise<IptablesVariant | undefined> {
  for (const [table, chain] of [HINT, ...chains])
    for (const variant of ['nft', 'legacy'] as const)
      if (FAMILIES.some((family) => hasChain(machine, variant, family, table, chain))) return variant;
  const plain = await plainVariant(machine, 4);
  if (plain) return plain;
  for (const variant of ['nft', 'legacy'] as const)
    if (await findPrograms(machine, variant, 4)) return variant;
  return undefined;
}
