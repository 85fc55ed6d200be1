/** Port mappings in iptables, by its own programs where rules are made. Loaded only where there are such rules. */

import type { Cidr } from '../../../shared/ip/cidr.ts';
import { unavailable } from '../../protocol/error.ts';
import { checkFailed } from '../common/check-failed.ts';
import { restoreTable, saveTable } from '../common/iptables/programs.ts';
import { removeLegacyChain, removeNftChain } from '../common/iptables/remove-chain.ts';
import type { IptablesFamily } from '../common/iptables-leftovers.ts';
import { iptablesFamilies } from '../common/iptables-leftovers.ts';
import type { PortmapConfig } from './config.ts';
import type { IptablesPorts } from './iptables-look.ts';
import { dnatChain, portsChain } from './iptables-names.ts';
import { addLines } from './iptables-rules.ts';
import { openIfSupported } from './nft-backend.ts';

/** Another ADD can make the shared chains between our look and our change, once. */
const attempts = 3;

/** One look and one transaction for each family that the pod has. */
export async function addIptablesPorts(
  config: PortmapConfig,
  network: string,
  containerId: string,
  targets: readonly Cidr[],
): Promise<void> {
  for (const target of targets) {
    const family = familyOf(target);
    for (let attempt = 1; ; attempt++) {
      const lines = addLines(await save(family), config, network, containerId, target);
      try {
        await restoreTable(family, 'nat', 'host', lines);
        break;
      } catch (error) {
        if (attempt === attempts) throw error;
      }
    }
  }
}

/** Removes a container's chain from where it is. */
export async function delIptablesPorts(
  network: string,
  containerId: string,
  { inNft, inLegacy }: IptablesPorts,
): Promise<void> {
  const chain = portsChain(network, containerId);
  {
    using nft = openIfSupported();
    if (nft) for (const family of inNft) removeNftChain(nft, family, dnatChain, chain);
  }
  for (const family of inLegacy) await removeLegacyChain(family, chain);
}

/** CHECK: the container's chain is there with all its rules, and something leads to it. */
export async function checkIptablesPorts(
  config: PortmapConfig,
  network: string,
  containerId: string,
  targets: readonly Cidr[],
): Promise<void> {
  const chain = portsChain(network, containerId);
  for (const target of targets) {
    const family = familyOf(target);
    const saved = (await save(family)).split('\n');
    const wanted = addLines('', config, network, containerId, target);
    const count = (lines: readonly string[], start: string): number =>
      lines.filter((line) => line.startsWith(start)).length;
    if (count(saved, `-A ${chain} `) < count(wanted, `-A ${chain} `)) {
      throw checkFailed(`rules are missing in ${chain} of ${family.program}`);
    }
    if (!saved.some((line) => line.startsWith(`-A ${dnatChain} `) && line.endsWith(`-j ${chain}`))) {
      throw checkFailed(`nothing leads from ${dnatChain} to ${chain} in ${family.program}`);
    }
  }
}

function familyOf({ ip }: Cidr): IptablesFamily {
  return iptablesFamilies.find((family) => family.ip === ip.family) as IptablesFamily;
}

async function save(family: IptablesFamily): Promise<string> {
  const saved = await saveTable(family, 'nat', 'host');
  if (saved !== undefined) return saved;
  throw unavailable(`${family.program} is not installed`, {
    details: 'install iptables on the node, or use the backend nftables',
  });
}
