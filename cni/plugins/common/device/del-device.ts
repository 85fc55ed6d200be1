import { NETLINK } from '../../../../shared/netlink/codec/message.ts';
import { NetlinkSocket } from '../../../../shared/netlink/socket.ts';
import type { DelRequest } from '../../../protocol/plugin.ts';
import { attachingIpamOf } from '../attaching-ipam.ts';
import { collectErrors } from '../collect-errors.ts';
import { deleteLinkQuickly } from '../delete-link.ts';
import { readLinks } from '../links.ts';
import { openPodNetnsIfExists } from '../pod-netns.ts';
import type { Device, DeviceType } from './device.ts';
import { temporaryName } from './place.ts';

/**
 * DEL of a device type: the interface before the addresses, so that no address is given to another pod while this one
 * still has it, except where they are given back through it. Whatever is missing is fine; an interface of another kind stays.
 */
export async function delDevice<D extends Device>(
  { kind }: Pick<DeviceType<D>, 'kind'>,
  request: DelRequest,
): Promise<void> {
  const errors = collectErrors('DEL');
  const ipamType = request.conf.ipam?.type ?? '';
  const ipam = ipamType === '' ? undefined : await errors.tryAsync(() => attachingIpamOf(ipamType));
  if (ipam?.usesInterface) await errors.tryAsync(() => ipam.del(request));
  errors.try(() => deleteInterface(kind, request));
  if (ipam && !ipam.usesInterface) await errors.tryAsync(() => ipam.del(request));
  errors.throwIfAny();
}

function deleteInterface(kind: string | undefined, { conf, env }: DelRequest): void {
  using netns = openPodNetnsIfExists(env.netns);
  if (!netns) return;
  using pod = NetlinkSocket.open(NETLINK.ROUTE, { netns });
  const key = { network: conf.name, containerId: env.containerId, ifname: env.ifname };
  // The second is what an ADD that was killed half-way has left.
  for (const link of readLinks(pod, { name: env.ifname }, { name: temporaryName(key) })) {
    if (link && link.kind === kind) deleteLinkQuickly(pod, link, { netns });
  }
}
