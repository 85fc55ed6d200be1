import { IFF } from '../../../shared/netlink/codec/link.ts';
import { vrf } from '../../../shared/netlink/codec/link-kinds/vrf.ts';
import { RT_TABLE } from '../../../shared/netlink/codec/route.ts';
import { isNetlinkError } from '../../../shared/netlink/error.ts';
import { delLink, getLink, newLink, setLink } from '../../../shared/netlink/requests/link.ts';
import type { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import { internalError, invalidConfig } from '../../protocol/error.ts';
import { linkOf } from '../common/links.ts';
import { readRoutes, readRules } from '../common/routing.ts';
import type { VrfConfig } from './config.ts';
import type { PodLink } from './pod-links.ts';

/** Makes the VRF and sets it up. */
export function makeVrf(
  pod: NetlinkSocket,
  { name, table: asked }: VrfConfig,
  links: readonly PodLink[],
): PodLink {
  const table = asked ?? freeTable(pod, links);
  const [made, changed, read] = pod.transact([
    newLink({ name, kind: vrf({ table }) }),
    setLink({ name, flags: IFF.UP }),
    getLink({ name }),
  ]);
  if (made?.error) throw describe(made.error);
  if (changed?.error) {
    pod.request(delLink({ name }));
    throw changed.error;
  }
  const link = read && linkOf(read);
  if (!link) throw internalError(`VRF ${name} vanished while it was being set up`);
  return { ...link, table };
}

/** As upstream, the first that no VRF has; beyond that, one without rules and routes, and none of the kernel's own. */
function freeTable(pod: NetlinkSocket, links: readonly PodLink[]): number {
  const taken = new Set<number>([RT_TABLE.DEFAULT, RT_TABLE.MAIN, RT_TABLE.LOCAL]);
  for (const { table } of links) if (table !== undefined) taken.add(table);
  for (const { table } of readRules(pod)) taken.add(table);
  for (const { table } of readRoutes(pod)) taken.add(table);
  let table = 1;
  while (taken.has(table)) table++;
  return table;
}

function describe(error: Error): Error {
  if (!isNetlinkError(error, 'EOPNOTSUPP')) return error;
  return invalidConfig('the kernel has no VRFs: load the module "vrf" (CONFIG_NET_VRF)', { cause: error });
}
