/** IPIP devices. Pure. */

import { ipEquals } from '../../../../shared/ip/ip.ts';
import type { Link } from '../../../../shared/netlink/codec/link.ts';
import { readIpip } from '../../../../shared/netlink/codec/link-kinds/ipip.ts';
import type { IpipDevice } from '../desired.ts';
import type { DeviceRules } from './device-rules.ts';

export const ipipRules: DeviceRules<IpipDevice> = {
  obstacle(_device, link) {
    const options = optionsOf(link);
    if (options.collectMetadata) return 'it takes its tunnel from the route (external)';
    // The kernel refuses to take the remote of a device away (ip_tunnel_changelink, net/ipv4/ip_tunnel.c).
    if (options.remote && options.remote.value !== 0n) return 'it has a remote';
    return undefined;
  },

  sameOptions({ ipip }, link) {
    const { local } = optionsOf(link);
    return local !== undefined && ipEquals(local, ipip.local);
  },
};

function optionsOf(link: Link): ReturnType<typeof readIpip> {
  return link.kind?.kind === 'other' && link.kind.data ? readIpip(link.kind.data) : {};
}
