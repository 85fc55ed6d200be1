import { NETLINK } from '../../../shared/netlink/codec/message.ts';
import { setLink } from '../../../shared/netlink/requests/link.ts';
import { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import type { DelRequest } from '../../protocol/plugin.ts';
import { deleteLinkQuickly } from '../common/delete-link.ts';
import { openPodNetnsIfExists } from '../common/pod-netns.ts';
import type { PodLink } from './pod-links.ts';
import { linkNamed, readPodLinks } from './pod-links.ts';

/** DEL: takes the interface out of the VRF, and the VRF away when it has no other. */
export function delVrf({ conf, env }: DelRequest): void {
  const name = conf.raw['vrfname'];
  // Without one ADD has done nothing.
  if (typeof name !== 'string') return;
  using netns = openPodNetnsIfExists(env.netns);
  if (!netns) return;
  using pod = NetlinkSocket.open(NETLINK.ROUTE, { netns });
  const links = readPodLinks(pod);
  const vrf = linkNamed(links, name);
  if (vrf?.kind !== 'vrf') return;
  const link = linkNamed(links, env.ifname);
  if (!hasOthers(links, vrf, link)) deleteLinkQuickly(pod, vrf, { netns });
  else if (link?.master === vrf.index) pod.request(setLink({ index: link.index, master: 0 }));
}

function hasOthers(links: readonly PodLink[], vrf: PodLink, own: PodLink | undefined): boolean {
  for (const { index, master } of links) if (master === vrf.index && index !== own?.index) return true;
  return false;
}
