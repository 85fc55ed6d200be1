/** STATUS and GC of device types. */

import { NETLINK } from '../../../../shared/netlink/codec/message.ts';
import { NetlinkSocket } from '../../../../shared/netlink/socket.ts';
import { parseArgs } from '../../../protocol/args.ts';
import { invalidConfig, unavailable } from '../../../protocol/error.ts';
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
  // In a chain nobody knows yet what the plugin before will make.
  const isKnown = device.master !== undefined && !(device.master === '' && device.takesPrevious);
  if (isKnown && !device.linkInContainer) {
    using host = NetlinkSocket.open(NETLINK.ROUTE);
    try {
      findMaster(host, device.master ?? '', false);
    } catch (cause) {
      throw unavailable(cause instanceof Error ? cause.message : String(cause), { cause });
    }
  }
  if (device.ipamType !== '') await (await ipamOf(device.ipamType)).status(request);
  // What takes a result before it may stand behind another plugin, of which STATUS is told nothing.
  else if (device.needsAddresses && !device.takesPrevious) {
    throw invalidConfig('the configuration has no "ipam" section: this interface needs addresses');
  }
}

/** GC: the interfaces end with their namespaces; what is left to collect are addresses. */
export async function prepareGcDevice(request: GcRequest): Promise<(keep: Keep) => unknown> {
  const type = request.conf.ipam?.type ?? '';
  return type === '' ? () => {} : (await ipamOf(type)).prepareGc(request);
}
