import { cidrEquals, formatCidr } from '../../../shared/ip/cidr.ts';
import { IFF } from '../../../shared/netlink/codec/link.ts';
import { Rtnetlink } from '../../../shared/netlink/rtnetlink.ts';
import { invalidConfig } from '../../protocol/error.ts';
import type { CheckRequest } from '../../protocol/plugin.ts';
import type { Result } from '../../protocol/result.ts';
import { checkFailed } from '../common/check-failed.ts';
import { checkAddresses, checkMac, checkRoutes } from '../common/check-interface.ts';
import { checkContainerEnd, checkHostEnd, recordedInside } from '../common/check-veth.ts';
import { ipamOf } from '../common/ipam.ts';
import type { LinkView } from '../common/link-view.ts';
import { openPodNetns } from '../common/pod-netns.ts';
import { readPtpConfig } from './config.ts';
import { host as alone } from './plan.ts';

/** CHECK: IPAM agrees, and both ends, their addresses and their routes are as prevResult says. */
export async function checkPtp(request: CheckRequest): Promise<void> {
  const { conf, env } = request;
  const config = readPtpConfig(conf);
  const { prevResult } = conf;
  if (!prevResult) throw invalidConfig('CHECK needs "prevResult": pass the result of ADD');
  await (await ipamOf(config.ipamType)).check(request);
  using netns = openPodNetns(env.netns);
  using host = Rtnetlink.open();
  using pod = Rtnetlink.open({ netns });
  const inside = checkContainerEnd(pod.socket, recordedInside(prevResult, request), false);
  const onHost = prevResult.interfaces.filter(({ sandbox }) => !sandbox);
  const end = checkHostEnd(host.socket, onHost, inside);
  checkMac(end.link, end.recorded, 'the host interface');
  if ((end.link.flags & IFF.UP) === 0) throw checkFailed(`the host interface ${end.link.name} is down`);
  checkAddresses(pod, prevResult, inside);
  checkRoutes(pod, prevResult, env.ifname);
  checkHostAddresses(host, end.link, prevResult, inside);
}

/** The host's end has the gateways, and leads to the pod. */
function checkHostAddresses(
  host: Rtnetlink,
  { index, name }: LinkView,
  result: Result,
  inside: LinkView,
): void {
  const present = host.addresses({ index });
  for (const { address, gateway, interface: of } of result.ips) {
    if (of !== undefined && result.interfaces[of]?.name !== inside.name) continue;
    const wanted = gateway && alone(gateway);
    if (wanted && !present.some((one) => cidrEquals(one.address, wanted))) {
      throw checkFailed(`the host interface ${name} does not have the address ${formatCidr(wanted)}`);
    }
    const route = alone(address.ip);
    const routes = host.routes({ family: address.ip.family, oif: index });
    if (routes.some(({ destination }) => cidrEquals(destination, route))) continue;
    throw checkFailed(`the host has no route to ${formatCidr(route)} by ${name}`);
  }
}
