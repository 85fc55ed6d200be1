/** Removes a container's chain and what leads to it, from wherever iptables' rules are. */

import { isBusy, isNotFound } from '../../../../shared/nftables/error.ts';
import type { Nftables } from '../../../../shared/nftables/nftables.ts';
import { Transaction } from '../../../../shared/nftables/transaction.ts';
import type { IptablesFamily } from '../iptables-leftovers.ts';
import { restoreTable, saveTable } from './programs.ts';

/** Something can change between listing and deleting only where another works on the same. */
const attempts = 3;

/** Of iptables over nf_tables, without its programs. @param parent the chain that jumps to it, in table nat */
export function removeNftChain(nft: Nftables, family: IptablesFamily, parent: string, chain: string): void {
  const table = { family: family.nft, name: 'nat' };
  const ref = { family: family.nft, table: 'nat', name: chain };
  for (let attempt = 1; ; attempt++) {
    if (nft.listRuleLabels(table, chain).length === 0) return;
    const transaction = new Transaction();
    for (const { expressions, handle } of nft.listRules(table, parent)) {
      const leads = expressions.some(
        (one) => one.kind === 'verdict' && one.verdict.code === 'jump' && one.verdict.chain === chain,
      );
      if (leads && handle !== undefined)
        transaction.deleteRule({ family: family.nft, table: 'nat', chain: parent, handle });
    }
    transaction.flushChain(ref).deleteChain(ref);
    try {
      nft.run(transaction);
      return;
    } catch (error) {
      if (attempt === attempts || !(isNotFound(error) || isBusy(error))) throw error;
    }
  }
}

/** Of legacy iptables: one list, and where there is something one transaction. */
export async function removeLegacyChain(family: IptablesFamily, chain: string): Promise<void> {
  const saved = await saveTable(family, 'nat', 'legacy');
  // Without the programs nobody can look.
  const lines = saved?.split('\n') ?? [];
  if (!lines.some((line) => line.startsWith(`:${chain} `))) return;
  const jumps = lines.filter((line) => line.startsWith('-A ') && line.endsWith(` -j ${chain}`));
  const deletions = jumps.map((line) => line.replace('-A', '-D'));
  await restoreTable(family, 'nat', 'legacy', [...deletions, `-F ${chain}`, `-X ${chain}`]);
}
