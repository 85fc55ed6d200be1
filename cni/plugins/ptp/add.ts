import { formatMac } from '../../../shared/ip/mac.ts';
import { NETLINK } from '../../../shared/netlink/codec/message.ts';
import { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import type { AddRequest } from '../../protocol/plugin.ts';
import type { Interface, Result } from '../../protocol/result.ts';
import type { VethAddition } from '../common/add-veth.ts';
import { allocate, allocateThrough, masquerade, peerOf } from '../common/add-veth.ts';
import { attachingIpamOf } from '../common/attaching-ipam.ts';
import { attachmentMac, hostVethName } from '../common/attachment.ts';
import type { AddOptions } from '../common/delegate.ts';
import { enableForwarding } from '../common/forwarding.ts';
import { chooseHostVethName, createVethPair } from '../common/host-veth.ts';
import { awaitCarrier } from '../common/kernel-events.ts';
import type { LinkView } from '../common/link-view.ts';
import { deleteLink, readLink } from '../common/links.ts';
import { watchNeighbourTables } from '../common/neighbour-table.ts';
import { setPodInterface } from '../common/pod-interface.ts';
import { openPodNetns } from '../common/pod-netns.ts';
import { Rollback } from '../common/rollback.ts';
import { trySysctl } from '../common/try-sysctl.ts';
import type { PtpConfig } from './config.ts';
import { readPtpConfig } from './config.ts';
import type { PtpAddress } from './plan.ts';
import { hostRequests, planIps, podRequests } from './plan.ts';

/** ADD. That the node forwards stays when it fails; all else is undone. */
export async function addPtp(request: AddRequest, { collect }: AddOptions = {}): Promise<Result> {
  const { conf, env } = request;
  const config = readPtpConfig(conf);
  const key = { network: conf.name, containerId: env.containerId, ifname: env.ifname };
  using netns = openPodNetns(env.netns);
  using host = NetlinkSocket.open(NETLINK.ROUTE);
  const rollback = new Rollback();
  try {
    return await build({ request, key, netns, host, rollback, collect }, config);
  } catch (error) {
    return await rollback.fail(error);
  }
}

async function build(addition: VethAddition, config: PtpConfig): Promise<Result> {
  const { host, key, netns, rollback } = addition;
  const name = chooseHostVethName(host, key, readLink(host, { name: hostVethName(key) }));
  const plugin = await attachingIpamOf(config.ipamType);
  const early = plugin.usesInterface ? undefined : await allocate(addition, plugin);
  const mac = attachmentMac(key, 'pod');
  const veth = createVethPair(host, { key, name, netns, mtu: config.mtu, mac });
  rollback.defer(() => deleteLink(host, veth));
  // Nobody but the pod is on the link, so there are no duplicates to look for, which would take a second or two; and
  // while the host's own fe80 address is tentative, it asks for no neighbour. That address comes with the pod's end.
  trySysctl(`net/ipv6/conf/${name}/accept_dad`, '0');
  const { routes, dns, ...ipam } = early ?? (await allocateThrough(addition, plugin, veth));
  const ips = planIps(ipam.ips);
  const index = peerOf(veth);
  const finish = podRequests(ips, index);
  setPodInterface(netns, { ifname: key.ifname, index, ips, routes, enableDad: false, finish });
  await setHostEnd(host, veth, ips);
  if (config.ipMasq) await masquerade(addition, ips);
  await watchNeighbourTables(ips);
  return { interfaces: finishPair(addition, veth, mac), ips, routes, dns: config.dns ?? dns };
}

async function setHostEnd(host: NetlinkSocket, veth: LinkView, ips: readonly PtpAddress[]): Promise<void> {
  let done: 4 | 6 | undefined;
  for (const { gateway } of ips) {
    const { family } = gateway;
    if (family === done) continue;
    done = family;
    await enableForwarding(family);
    // A new interface starts with conf/default, and the kernel asks its own switch, not only the one of all.
    trySysctl(`net/ipv${family}/conf/${veth.name}/forwarding`, '1');
  }
  for (const { error } of host.transact(hostRequests(ips, veth.index))) if (error) throw error;
}

/** Host's end and container's end: the order that `ips` and other plugins rely on. */
function finishPair({ host, request }: VethAddition, veth: LinkView, podMac: Uint8Array): Interface[] {
  const now = readLink(host, { index: veth.index }) ?? veth;
  awaitCarrier(host, now);
  const { ifname, netns: sandbox } = request.env;
  return [
    { name: veth.name, ...(now.mac === undefined ? {} : { mac: formatMac(now.mac) }) },
    { name: ifname, mac: formatMac(podMac), sandbox },
  ];
}
