import { collectErrors } from '../common/collect-errors.ts';
import { hasLegacyTable } from '../common/iptables/legacy-table.ts';
import { iptablesFamilies } from '../common/iptables-leftovers.ts';
import type { Keep } from '../common/keep.ts';
import { openIfSupported } from '../common/remove-rules.ts';
import { removeRulesAlone } from '../common/remove-rules-alone.ts';
import { portsRemoval } from './del-ports.ts';
import { dnatChain } from './iptables-names.ts';
import { recordedIfname, recordedPorts } from './record.ts';

/** Upstream's comment, as Go's %q writes the two; neither can hold what needs escaping. */
const commentPattern = /dnat name: \\?"([^"\\]+)\\?" id: \\?"([^"\\]+)\\?"/;

/**
 * GC, first half: lists the network's containers with rules: ours by what ADD recorded, those in iptables by their
 * comments. (Upstream's in nf_tables name no network: they go by the DEL of their attachment.) The function it returns
 * removes those of containers of which nothing is to be kept.
 */
export async function prepareGcPortmap(network: string): Promise<(keep: Keep) => Promise<void>> {
  const found = new Set([...recordedPorts(network), ...(await containersInIptables(network))]);
  return async (keep) => {
    const errors = collectErrors('GC');
    for (const containerId of found) {
      if (keep.hasContainer(containerId)) continue;
      // With the attachment's lock, so that an ADD that begins now makes its rules when the old ones are gone.
      const ifname = recordedIfname(network, containerId);
      using claim = ifname === undefined ? undefined : keep.claim(containerId, ifname);
      if (ifname !== undefined && !claim) continue;
      await errors.tryAsync(() => removeRulesAlone([portsRemoval(network, containerId)]));
    }
    errors.throwIfAny();
  };
}

async function containersInIptables(network: string): Promise<string[]> {
  const { saveTable } = await import('../common/iptables/programs.ts');
  const found: string[] = [];
  const note = (text: string): void => {
    const match = commentPattern.exec(text);
    if (match?.[1] === network && match[2]) found.push(match[2]);
  };
  {
    using nft = openIfSupported();
    for (const family of nft ? iptablesFamilies : []) {
      for (const { expressions, comment } of nft?.listRules({ family: family.nft, name: 'nat' }, dnatChain) ??
        []) {
        note(comment ?? '');
        // xt_comment's match, through nft_compat.
        for (const one of expressions) {
          if (one.kind === 'opaque' && one.name === 'match') note(new TextDecoder().decode(one.data));
        }
      }
    }
  }
  for (const family of iptablesFamilies.filter(({ ip }) => hasLegacyTable(ip, 'nat'))) {
    const saved = await saveTable(family, 'nat', 'legacy');
    for (const line of saved?.split('\n') ?? []) if (line.startsWith(`-A ${dnatChain} `)) note(line);
  }
  return found;
}
