import { NETLINK } from '../../../shared/netlink/codec/message.ts';
import { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import { fstat } from '../../../shared/sys/stat.ts';
import type { AddRequest } from '../../protocol/plugin.ts';
import type { Result } from '../../protocol/result.ts';
import { attachingIpamOf } from '../common/attaching-ipam.ts';
import { allocateForDevice, finishDevice } from '../common/device/add-device.ts';
import type { Place } from '../common/device/place.ts';
import { existsAlready } from '../common/host-veth.ts';
import type { LinkView } from '../common/link-view.ts';
import { readLink } from '../common/links.ts';
import { openPodNetns } from '../common/pod-netns.ts';
import { Rollback } from '../common/rollback.ts';
import type { HostDevice } from './config.ts';
import { hostDeviceType } from './config.ts';
import { findDevice, isUserspaceDevice } from './find-device.ts';
import { moveBack, moveIn } from './move.ts';
import { forgetTaken, isGivenBack, noteTaken } from './record.ts';

/**
 * ADD: all or nothing, but for the addresses that the device had on the host. It loses them when it is moved, so all
 * that can be refused is done before.
 */
export async function addHostDevice(request: AddRequest): Promise<Result> {
  const { conf, env } = request;
  const device = hostDeviceType.read(conf, env.args);
  using netns = openPodNetns(env.netns);
  using host = NetlinkSocket.open(NETLINK.ROUTE);
  using pod = NetlinkSocket.open(NETLINK.ROUTE, { netns });
  const rollback = new Rollback();
  const key = { network: conf.name, containerId: env.containerId, ifname: env.ifname };
  try {
    return await build({ key, netns, host, pod }, device, request, rollback);
  } catch (error) {
    return await rollback.fail(error);
  }
}

async function build(
  place: Place,
  device: HostDevice,
  request: AddRequest,
  rollback: Rollback,
): Promise<Result> {
  const { host, key, pod } = place;
  const sandbox = request.env.netns;
  const found = isUserspaceDevice(device.selector) ? undefined : findDevice(host, device.selector);
  if (found && readLink(pod, { name: key.ifname })) throw existsAlready(key, 'in its namespace');
  const ipam = device.ipamType === '' ? undefined : await attachingIpamOf(device.ipamType);
  const early = ipam && !ipam.usesInterface ? await allocateForDevice(ipam, request, rollback) : undefined;
  const link = found && take(place, found, sandbox, rollback);
  const addresses = ipam?.usesInterface ? await allocateForDevice(ipam, request, rollback) : early;
  return finishDevice(place, device, link, addresses, sandbox);
}

function take(place: Place, device: LinkView, path: string, rollback: Rollback): LinkView {
  const { key, netns } = place;
  const isReal = isGivenBack(device.kind);
  noteTaken({ key, device: device.name, netns: path, inode: fstat(netns.fd).ino, isReal });
  rollback.defer(() => {
    moveBack(place, device);
    forgetTaken(key);
  });
  return moveIn(place, device);
}
