/** The addresses that sources are told by. Pure. */

import type { Cidr } from '../../../shared/ip/cidr.ts';
import { familyBits } from '../../../shared/ip/ip.ts';
import type { IpConfig, Result } from '../../protocol/result.ts';

/** A result's addresses of one interface; as upstream has it, those of none are taken for its own. */
export function ownIps({ ips, interfaces }: Result, ifname: string): readonly IpConfig[] {
  const own: IpConfig[] = [];
  for (const ip of ips) {
    const owner = ip.interface === undefined ? undefined : interfaces[ip.interface];
    if (owner === undefined || owner.name === ifname) own.push(ip);
  }
  return own;
}

/** The address alone, without its subnet. */
export function hostOf({ ip }: Cidr): Cidr {
  return { ip, prefix: familyBits(ip.family) };
}
