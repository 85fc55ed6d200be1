import { IFF } from '../../../../shared/netlink/codec/link.ts';
import { Rtnetlink } from '../../../../shared/netlink/rtnetlink.ts';
import { invalidConfig } from '../../../protocol/error.ts';
import type { CheckRequest } from '../../../protocol/plugin.ts';
import { checkFailed } from '../check-failed.ts';
import { checkAddresses, checkMac, checkRoutes } from '../check-interface.ts';
import { recordedInside } from '../check-veth.ts';
import { ipamOf } from '../ipam.ts';
import { readLink } from '../links.ts';
import { openPodNetns } from '../pod-netns.ts';
import type { DeviceType } from './device.ts';

/** CHECK of a device type: IPAM agrees, and the interface, its addresses and routes are as prevResult says. */
export async function checkDevice(type: DeviceType, request: CheckRequest): Promise<void> {
  const { conf, env } = request;
  const device = type.read(conf, env.args);
  const { prevResult } = conf;
  if (!prevResult) throw invalidConfig('CHECK needs "prevResult": pass the result of ADD');
  if (device.ipamType !== '') await (await ipamOf(device.ipamType)).check(request);
  const recorded = recordedInside(prevResult, request);
  using netns = openPodNetns(env.netns);
  using pod = Rtnetlink.open({ netns });
  const link = readLink(pod.socket, { name: env.ifname });
  if (!link) throw checkFailed(`the container has no interface ${env.ifname}`);
  if (link.kind !== type.type) throw checkFailed(`the container's ${env.ifname} is no ${type.type}`);
  if ((link.flags & IFF.UP) === 0) throw checkFailed(`the container's ${env.ifname} is down`);
  checkMac(link, recorded, "the container's interface");
  const kind = pod.link({ index: link.index })?.kind;
  const problem = kind?.kind === 'other' && kind.data ? type.compare?.(kind.data, device) : undefined;
  if (problem) throw checkFailed(`the container's ${env.ifname} ${problem}`);
  checkAddresses(pod, prevResult, link);
  checkRoutes(pod, prevResult, env.ifname);
}
