/** STATUS and GC of device types. */

import { NETLINK } from '../../../../shared/netlink/codec/message.ts';
import { NetlinkSocket } from '../../../../shared/netlink/socket.ts';
import { parseArgs } from '../../../protocol/args.ts';
import { unavailable } from '../../../protocol/error.ts';
import type { GcRequest, StatusRequest } from '../../../protocol/plugin.ts';
import { ipamOf } from '../ipam.ts';
import type { Keep } from '../keep.ts';
import type { Device, DeviceType, LinkDevice } from './device.ts';
import { findMaster } from './master.ts';

/** STATUS: the configuration makes sense, the interface to stand on is there, IPAM is ready. */
export async function statusOfDevice<D extends Device>(
  type: DeviceType<D>,
  request: StatusRequest,
): Promise<void> {
  const device: Device & Partial<LinkDevice> = type.read(request.conf, parseArgs(''));
  if (device.master !== undefined && !device.linkInContainer) {
    using host = NetlinkSocket.open(NETLINK.ROUTE);
    try {
      findMaster(host, device.master, false);
    } catch (cause) {
      throw unavailable(cause instanceof Error ? cause.message : String(cause), { cause });
    }
  }
  if (device.ipamType !== '') await (await ipamOf(device.ipamType)).status(request);
}

/** GC: the interfaces end with their namespaces; what is left to collect are addresses. */
export async function prepareGcDevice(request: GcRequest): Promise<(keep: Keep) => unknown> {
  const type = request.conf.ipam?.type ?? '';
  return type === '' ? () => {} : (await ipamOf(type)).prepareGc(request);
}
