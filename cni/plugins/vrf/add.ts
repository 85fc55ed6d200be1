import { IFF } from '../../../shared/netlink/codec/link.ts';
import { NETLINK } from '../../../shared/netlink/codec/message.ts';
import { RT_TABLE } from '../../../shared/netlink/codec/route.ts';
import { setLink } from '../../../shared/netlink/requests/link.ts';
import { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import { invalidConfig } from '../../protocol/error.ts';
import type { AddRequest } from '../../protocol/plugin.ts';
import type { Result } from '../../protocol/result.ts';
import { deleteLink } from '../common/links.ts';
import { openPodNetns } from '../common/pod-netns.ts';
import { Rollback } from '../common/rollback.ts';
import { changeMaster, readHeld } from './change-master.ts';
import type { VrfConfig } from './config.ts';
import { readVrfConfig } from './config.ts';
import type { TableOf } from './held.ts';
import { makeVrf } from './make-vrf.ts';
import type { PodLink } from './pod-links.ts';
import { linkNamed, readPodLinks, vrfNamed } from './pod-links.ts';

/** ADD: hands prevResult on. All or nothing. */
export async function addVrf({ conf, env }: AddRequest): Promise<Result> {
  const config = readVrfConfig(conf);
  const { prevResult } = conf;
  if (!prevResult)
    throw invalidConfig('ADD needs "prevResult": vrf comes after a plugin that makes the interface');
  using netns = openPodNetns(env.netns);
  using pod = NetlinkSocket.open(NETLINK.ROUTE, { netns });
  const links = readPodLinks(pod);
  const link = freeInterface(links, env.ifname);
  const there = existingVrf(links, config);
  const rollback = new Rollback();
  try {
    const vrf = there ?? makeVrf(pod, config, links);
    if (!there) rollback.defer(() => deleteLink(pod, vrf));
    if ((vrf.flags & IFF.UP) === 0) pod.request(setLink({ index: vrf.index, flags: IFF.UP }));
    const held = readHeld(pod, link);
    const before: TableOf = ({ table }) => table;
    const within: TableOf = ({ table }) => (table === RT_TABLE.MAIN ? (vrf.table ?? table) : table);
    rollback.defer(() => changeMaster(netns, link, 0, held, within, before));
    changeMaster(netns, link, vrf.index, held, before, within);
    return prevResult;
  } catch (error) {
    return await rollback.fail(error);
  }
}

function freeInterface(links: readonly PodLink[], ifname: string): PodLink {
  const link = linkNamed(links, ifname);
  if (!link) throw invalidConfig(`the container has no interface ${ifname}`);
  for (const { index, name } of links) {
    if (index === link.master) {
      throw invalidConfig(`the container's interface ${ifname} belongs to ${name} already`, {
        details: 'an attachment is added once: call DEL before the next ADD',
      });
    }
  }
  return link;
}

function existingVrf(links: readonly PodLink[], { name, table }: VrfConfig): PodLink | undefined {
  const vrf = vrfNamed(links, name);
  if (vrf === undefined || table === undefined || vrf.table === table) return vrf;
  throw invalidConfig(`VRF ${name} exists already with table ${vrf.table}, not ${table}`, {
    details: 'networks that share a VRF must give it the same table, or none',
  });
}
