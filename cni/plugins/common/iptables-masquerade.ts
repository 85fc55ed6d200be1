/**
 * Upstream's masquerade rules where it uses iptables, which it prefers: left by pods that were there before the node
 * changed over. Loaded only where there are some, or for GC.
 *
 * Each container of a network has a chain `CNI-<hash>` in the table nat and a jump to it from POSTROUTING for each
 * address, with a comment that names both. (Two interfaces of one container in one network share the chain; upstream's
 * DEL of either takes the rules of both, and so does this.)
 */

import { isNotFound, NftError } from '../../../shared/nftables/error.ts';
import type { Rule } from '../../../shared/nftables/model/rule.ts';
import type { Nftables } from '../../../shared/nftables/nftables.ts';
import { Transaction } from '../../../shared/nftables/transaction.ts';
import { hasLegacyTable } from './iptables/legacy-table.ts';
import { restoreTable, saveTable } from './iptables/programs.ts';
import type { IptablesFamily, Leftovers } from './iptables-leftovers.ts';
import { iptablesChain, iptablesFamilies } from './iptables-leftovers.ts';
import type { Keep } from './keep.ts';

/** A jump from POSTROUTING to a container's chain. */
interface Jump {
  readonly chain: string;
  readonly network: string;
  readonly containerId: string;
}

type IsStale = (jump: Jump) => boolean;

/** Upstream's comment, as Go's %q writes the two; neither can hold what needs escaping. */
const commentPattern = /name: "([^"\\]+)" id: "([^"\\]+)"/;

/** `-A POSTROUTING … --comment "name: \"…\" id: \"…\"" -j CNI-…`, as iptables-save writes it. */
const savedJump = /^-A POSTROUTING .*-j (CNI-[0-9a-f]{24})$/;

/** Something can change between listing and deleting only where another works on the same. */
const attempts = 3;

/** Removes a container's rules and chain from where they may be. */
export async function removeLeftovers(
  nft: Nftables | undefined,
  network: string,
  containerId: string,
  { inNft, inLegacy }: Leftovers,
): Promise<void> {
  const chain = iptablesChain(network, containerId);
  const isStale: IsStale = (jump) => jump.chain === chain;
  if (nft) for (const family of inNft) removeNftJumps(nft, family, isStale, chain);
  for (const family of inLegacy) await removeLegacyJumps(family, isStale, chain);
}

/**
 * GC, first half: lists the network's containers that have such rules. The function it returns removes those of
 * containers of which nothing is to be kept.
 */
export async function prepareGcIptables(
  nft: Nftables | undefined,
  network: string,
): Promise<(nft: Nftables | undefined, keep: Keep) => Promise<void>> {
  const found = new Set<string>();
  const note: IsStale = (jump) => {
    if (jump.network === network) found.add(jump.chain);
    return false;
  };
  const legacy = iptablesFamilies.filter(({ ip }) => hasLegacyTable(ip, 'nat'));
  if (nft) for (const family of iptablesFamilies) removeNftJumps(nft, family, note);
  for (const family of legacy) await removeLegacyJumps(family, note);
  return async (kernel, keep) => {
    if (found.size === 0) return;
    const isStale: IsStale = (jump) => found.has(jump.chain) && !keep.hasContainer(jump.containerId);
    if (kernel) for (const family of iptablesFamilies) removeNftJumps(kernel, family, isStale);
    for (const family of legacy) await removeLegacyJumps(family, isStale);
  };
}

/** @param chain one to remove even where nothing jumps to it */
function removeNftJumps(nft: Nftables, family: IptablesFamily, isStale: IsStale, chain?: string): void {
  const table = { family: family.nft, name: 'nat' };
  for (let attempt = 1; ; attempt++) {
    const chains = new Set<string>();
    const transaction = new Transaction();
    for (const rule of nft.listRules(table, 'POSTROUTING')) {
      const jump = jumpOf(rule);
      if (jump === undefined || rule.handle === undefined || !isStale(jump)) continue;
      transaction.deleteRule({ family: family.nft, table: 'nat', chain: 'POSTROUTING', handle: rule.handle });
      chains.add(jump.chain);
    }
    if (chain !== undefined && nft.listRuleLabels(table, chain).length > 0) chains.add(chain);
    if (chains.size === 0) return;
    for (const name of chains) {
      const ref = { family: family.nft, table: 'nat', name };
      transaction.flushChain(ref).deleteChain(ref);
    }
    try {
      nft.run(transaction);
      return;
    } catch (error) {
      const changed = isNotFound(error) || (error instanceof NftError && error.code === 'EBUSY');
      if (attempt === attempts || !changed) throw error;
    }
  }
}

function jumpOf({ expressions, comment }: Rule): Jump | undefined {
  let chain: string | undefined;
  let text = comment ?? '';
  for (const expression of expressions) {
    if (expression.kind === 'verdict' && expression.verdict.code === 'jump') chain = expression.verdict.chain;
    // xt_comment's match, through nft_compat.
    if (expression.kind === 'opaque' && expression.name === 'match') {
      text += new TextDecoder().decode(expression.data);
    }
  }
  return chain === undefined ? undefined : readJump(chain, text);
}

/** Undefined for what is not upstream's: chain and comment must belong together. */
function readJump(chain: string, text: string): Jump | undefined {
  const match = commentPattern.exec(text);
  if (!match?.[1] || !match[2] || iptablesChain(match[1], match[2]) !== chain) return undefined;
  return { chain, network: match[1], containerId: match[2] };
}

/** One list, and where there is something to remove one transaction (iptables-restore), as `removeNftJumps`. */
async function removeLegacyJumps(family: IptablesFamily, isStale: IsStale, chain?: string): Promise<void> {
  const saved = await saveTable(family, 'nat', 'legacy');
  // Without the programs nobody can look.
  if (saved === undefined) return;
  const lines = saved.split('\n');
  const chains = new Set<string>();
  const deletions: string[] = [];
  for (const line of lines) {
    const target = savedJump.exec(line)?.[1];
    const jump = target === undefined ? undefined : readJump(target, line.replaceAll('\\"', '"'));
    if (jump === undefined || !isStale(jump)) continue;
    deletions.push(line.replace('-A', '-D'));
    chains.add(jump.chain);
  }
  if (chain !== undefined && lines.some((line) => line.startsWith(`:${chain} `))) chains.add(chain);
  if (chains.size === 0) return;
  const emptied = [...chains].flatMap((name) => [`-F ${name}`, `-X ${name}`]);
  await restoreTable(family, 'nat', 'legacy', [...deletions, ...emptied]);
}
