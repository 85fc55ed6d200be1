import { IFF } from '../../../shared/netlink/codec/link.ts';
import { NETLINK } from '../../../shared/netlink/codec/message.ts';
import { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import { invalidConfig } from '../../protocol/error.ts';
import type { CheckRequest } from '../../protocol/plugin.ts';
import { checkFailed } from '../common/check-failed.ts';
import { openPodNetns } from '../common/pod-netns.ts';
import { readVrfConfig } from './config.ts';
import { linkNamed, readPodLinks } from './pod-links.ts';

/** CHECK: the VRF is there and up, has the table that is configured, and the interface is in it. */
export function checkVrf({ conf, env }: CheckRequest): void {
  const { name, table } = readVrfConfig(conf);
  if (!conf.prevResult) throw invalidConfig('CHECK needs "prevResult": pass the result of ADD');
  using netns = openPodNetns(env.netns);
  using pod = NetlinkSocket.open(NETLINK.ROUTE, { netns });
  const links = readPodLinks(pod);
  const vrf = linkNamed(links, name);
  if (vrf?.kind !== 'vrf') throw checkFailed(`the container has no VRF ${name}`);
  if ((vrf.flags & IFF.UP) === 0) throw checkFailed(`the container's VRF ${name} is down`);
  if (table !== undefined && vrf.table !== table)
    throw checkFailed(`the container's VRF ${name} has table ${vrf.table}, not ${table}`);
  if (linkNamed(links, env.ifname)?.master !== vrf.index)
    throw checkFailed(`the container's interface ${env.ifname} is not in VRF ${name}`);
}
