/** Where the ports lead to: the pod's addresses, as the plugins before told them. Pure. */

import type { Cidr } from '../../../shared/ip/cidr.ts';
import type { Result } from '../../protocol/result.ts';

/** The first address of each family on the container's interface of this attachment. */
export function targetsOf({ ips, interfaces }: Result, ifname: string): readonly Cidr[] {
  const targets: Cidr[] = [];
  for (const { address, interface: index } of ips) {
    const owner = index === undefined ? undefined : interfaces[index];
    // One that is known to be another interface's is not meant.
    if (owner && (owner.name !== ifname || !owner.sandbox)) continue;
    if (!hasFamily(targets, address.ip.family)) targets.push(address);
  }
  return targets;
}

function hasFamily(targets: readonly Cidr[], family: 4 | 6): boolean {
  for (const { ip } of targets) if (ip.family === family) return true;
  return false;
}
