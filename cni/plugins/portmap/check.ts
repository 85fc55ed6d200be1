import { invalidConfig, unavailable } from '../../protocol/error.ts';
import type { CheckRequest } from '../../protocol/plugin.ts';
import { checkFailed } from '../common/check-failed.ts';
import { openIfSupported } from '../common/remove-rules.ts';
import { readPortmapConfig } from './config.ts';
import { mayHaveIptablesPorts } from './iptables-look.ts';
import { portsChain } from './iptables-names.ts';
import { expectedRules, portTable } from './nft-rules.ts';
import { targetsOf } from './target.ts';

/**
 * CHECK: the pod's rules are there, in nf_tables or, where upstream's plugin or this one's other backend made them, in
 * iptables.
 */
export async function checkPortmap({ conf, env }: CheckRequest): Promise<void> {
  const config = readPortmapConfig(conf);
  if (!conf.prevResult) throw invalidConfig('CHECK needs "prevResult": pass the result of ADD');
  if (config.mappings.length === 0) return;
  const targets = targetsOf(conf.prevResult, env.ifname);
  using nft = openIfSupported();
  const { inNft = [], inLegacy = [] } = mayHaveIptablesPorts(nft, conf.name, env.containerId) ?? {};
  if (config.backend === 'iptables' || inNft.length > 0) {
    const { checkIptablesPorts } = await import('./iptables-backend.ts');
    await checkIptablesPorts(config, conf.name, env.containerId, targets);
    return;
  }
  if (!nft) throw unavailable('the kernel has no nf_tables: load the module, or use the backend iptables');
  for (const target of targets) {
    const table = portTable(target.ip.family);
    for (const [chain, expected] of expectedRules(config, target)) {
      const rules = nft.listRuleLabels(table, chain).filter(({ comment }) => comment === env.containerId);
      if (rules.length >= expected) continue;
      if (inLegacy.length > 0 && (await isInLegacy(portsChain(conf.name, env.containerId)))) return;
      throw checkFailed(
        `${rules.length} of ${expected} rules of the container are in chain ${chain} of table ${table.family} ${table.name}`,
      );
    }
  }
}

async function isInLegacy(chain: string): Promise<boolean> {
  const { saveTable } = await import('../common/iptables/programs.ts');
  const { iptablesFamilies } = await import('../common/iptables-leftovers.ts');
  for (const family of iptablesFamilies) {
    if ((await saveTable(family, 'nat', 'legacy'))?.includes(`:${chain} `)) return true;
  }
  return false;
}
