import { formatMac } from '../../../../shared/ip/mac.ts';
import { NETLINK } from '../../../../shared/netlink/codec/message.ts';
import { NetlinkSocket } from '../../../../shared/netlink/socket.ts';
import { invalidConfig } from '../../../protocol/error.ts';
import type { AddRequest } from '../../../protocol/plugin.ts';
import type { IpConfig, Result } from '../../../protocol/result.ts';
import { attachingIpamOf } from '../attaching-ipam.ts';
import type { LinkView } from '../link-view.ts';
import { deleteLink } from '../links.ts';
import { configurePodInterface, setPodInterfaceUp } from '../pod-interface.ts';
import { openPodNetns } from '../pod-netns.ts';
import { Rollback } from '../rollback.ts';
import type { Device, DeviceType } from './device.ts';
import type { Place } from './make-device.ts';
import { makeDevice } from './make-device.ts';

/** ADD of a device type: all or nothing. */
export async function addDevice(type: DeviceType, request: AddRequest): Promise<Result> {
  const { conf, env } = request;
  const device = type.read(conf, env.args);
  using netns = openPodNetns(env.netns);
  using host = NetlinkSocket.open(NETLINK.ROUTE);
  using pod = NetlinkSocket.open(NETLINK.ROUTE, { netns });
  const rollback = new Rollback();
  const key = { network: conf.name, containerId: env.containerId, ifname: env.ifname };
  const place: Place = { key, netns, host, pod };
  try {
    const link = makeDevice(place, device, conf.prevResult);
    rollback.defer(() => deleteLink(pod, link));
    const addresses = await addressesFor(place, device, link, request, rollback);
    return configure(place, device, link, addresses, env.netns);
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
  const result = await ipam.add(request, { defer: (undo) => rollback.defer(undo) });
  if (result.ips.length > 0) return result;
  throw invalidConfig(`IPAM plugin ${device.ipamType} gave no address: configure its ranges`);
}

function configure(
  { key, netns }: Place,
  device: Device,
  link: LinkView,
  addresses: Result | undefined,
  sandbox: string,
): Result {
  const { index } = link;
  const { ifname } = key;
  const ips: IpConfig[] = [];
  for (const ip of addresses?.ips ?? []) ips.push({ ...ip, interface: 0 });
  const routes = addresses?.routes ?? [];
  const now = addresses
    ? configurePodInterface(netns, {
        ifname,
        index,
        ips,
        routes,
        enableDad: true,
        notifyIpv6: device.notifyIpv6,
      })
    : setPodInterfaceUp(netns, index);
  return {
    interfaces: [{ name: ifname, ...(now.mac === undefined ? {} : { mac: formatMac(now.mac) }), sandbox }],
    ips,
    routes,
    dns: device.dns ?? addresses?.dns ?? {},
  };
}
