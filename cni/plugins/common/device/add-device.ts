import { formatMac } from '../../../../shared/ip/mac.ts';
import { NETLINK } from '../../../../shared/netlink/codec/message.ts';
import { NetlinkSocket } from '../../../../shared/netlink/socket.ts';
import { invalidConfig } from '../../../protocol/error.ts';
import type { AddRequest } from '../../../protocol/plugin.ts';
import type { IpConfig, Result } from '../../../protocol/result.ts';
import { attachingIpamOf } from '../attaching-ipam.ts';
import type { AttachingDelegate } from '../delegate.ts';
import type { LinkView } from '../link-view.ts';
import { deleteLink } from '../links.ts';
import { configurePodInterface, setPodInterfaceUp } from '../pod-interface.ts';
import { openPodNetns } from '../pod-netns.ts';
import { Rollback } from '../rollback.ts';
import type { Device, DeviceType } from './device.ts';
import type { MakeDevice, Place } from './place.ts';

/** ADD of a device type: all or nothing. */
export async function addDevice<D extends Device>(
  type: DeviceType<D>,
  make: MakeDevice<D>,
  request: AddRequest,
): Promise<Result> {
  const { conf, env } = request;
  const device = type.read(conf, env.args);
  using netns = openPodNetns(env.netns);
  using host = NetlinkSocket.open(NETLINK.ROUTE);
  using pod = NetlinkSocket.open(NETLINK.ROUTE, { netns });
  const rollback = new Rollback();
  const key = { network: conf.name, containerId: env.containerId, ifname: env.ifname };
  const place: Place = { key, netns, host, pod };
  try {
    const link = await make(place, device);
    rollback.defer(() => deleteLink(pod, link));
    const addresses = await addressesFor(place, device, link, request, rollback);
    return finishDevice(place, device, link, addresses, env.netns);
  } catch (error) {
    return await rollback.fail(error);
  }
}

/** What the IPAM plugin gives, or the result before; undefined for an interface without addresses. */
async function addressesFor(
  { netns }: Place,
  device: Device,
  link: LinkView,
  request: AddRequest,
  rollback: Rollback,
): Promise<Result | undefined> {
  const { prevResult } = request.conf;
  if (device.ipamType === '') {
    if (device.takesPrevious && prevResult && prevResult.ips.length > 0) return prevResult;
    if (!device.needsAddresses) return undefined;
    throw invalidConfig('the configuration has no "ipam" section: this interface needs addresses');
  }
  const ipam = await attachingIpamOf(device.ipamType);
  if (ipam.usesInterface) setPodInterfaceUp(netns, link.index);
  return await allocateForDevice(ipam, request, rollback);
}

/** Addresses of the IPAM plugin. */
export async function allocateForDevice(
  ipam: AttachingDelegate,
  request: AddRequest,
  rollback: Rollback,
): Promise<Result> {
  const result = await ipam.add(request, { defer: (undo) => rollback.defer(undo) });
  if (result.ips.length > 0) return result;
  throw invalidConfig(`IPAM plugin ${request.conf.ipam?.type} gave no address: configure its ranges`);
}

/**
 * Gives the interface its addresses and routes, and sets it up.
 *
 * @param link undefined for a device that is no interface of the kernel's: then addresses are only told
 */
export function finishDevice(
  { key, netns }: Pick<Place, 'key' | 'netns'>,
  device: Device,
  link: LinkView | undefined,
  addresses: Result | undefined,
  sandbox: string,
): Result {
  const { ifname } = key;
  const ips: IpConfig[] = [];
  for (const ip of addresses?.ips ?? []) ips.push({ ...ip, interface: 0 });
  const routes = addresses?.routes ?? [];
  let mac: Uint8Array | undefined;
  if (link) {
    const { index } = link;
    const { notifyIpv6 } = device;
    const awaitDad = !device.isDetached;
    const now = addresses
      ? configurePodInterface(netns, { ifname, index, ips, routes, enableDad: true, awaitDad, notifyIpv6 })
      : setPodInterfaceUp(netns, index);
    mac = now.mac;
  }
  return {
    interfaces: [{ name: ifname, ...(mac === undefined ? {} : { mac: formatMac(mac) }), sandbox }],
    ips,
    routes,
    dns: device.dns ?? addresses?.dns ?? {},
  };
}
