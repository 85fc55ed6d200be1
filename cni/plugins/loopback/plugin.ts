/**
 * Type `loopback`: sets `lo` of the container up and reports its addresses. It has no keys of its own, and whatever
 * CNI_IFNAME says, it is about `lo`. A result of plugins before it is handed on as it is.
 */

import { formatCidr } from '../../../shared/ip/cidr.ts';
import { isLoopback } from '../../../shared/ip/ip.ts';
import { IFF } from '../../../shared/netlink/codec/link.ts';
import { NETLINK } from '../../../shared/netlink/codec/message.ts';
import { setLink } from '../../../shared/netlink/requests/link.ts';
import { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import { invalidConfig } from '../../protocol/error.ts';
import type { AddRequest, CheckRequest, DelRequest, Plugin } from '../../protocol/plugin.ts';
import type { IpConfig, Result } from '../../protocol/result.ts';
import { emptyResult } from '../../protocol/result.ts';
import type { AddressView } from '../common/address-view.ts';
import { checkFailed } from '../common/check-failed.ts';
import { readAddresses, readLink } from '../common/links.ts';
import { openPodNetns, openPodNetnsIfExists } from '../common/pod-netns.ts';

const name = 'lo';

function add({ conf, env }: AddRequest): Result {
  using netns = openPodNetns(env.netns);
  using pod = NetlinkSocket.open(NETLINK.ROUTE, { netns });
  pod.request(setLink({ name, flags: IFF.UP, changeMask: IFF.UP }));
  const link = readLink(pod, { name });
  const addresses = link ? readAddresses(pod, { index: link.index }) : [];
  for (const { address } of addresses) {
    if (!isLoopback(address.ip))
      throw invalidConfig(`lo of the container has the address ${formatCidr(address)}`);
  }
  if (conf.prevResult) return conf.prevResult;
  return {
    ...emptyResult,
    interfaces: [{ name, mac: '00:00:00:00:00:00', sandbox: env.netns }],
    ips: [...firstOf(addresses, 4), ...firstOf(addresses, 6)],
  };
}

function firstOf(addresses: readonly AddressView[], family: 4 | 6): IpConfig[] {
  const first = addresses.find(({ address }) => address.ip.family === family);
  return first ? [{ address: first.address, interface: 0 }] : [];
}

function del({ env }: DelRequest): void {
  using netns = openPodNetnsIfExists(env.netns);
  if (!netns) return;
  using pod = NetlinkSocket.open(NETLINK.ROUTE, { netns });
  pod.request(setLink({ name, flags: 0, changeMask: IFF.UP }));
}

function check({ env }: CheckRequest): void {
  using netns = openPodNetns(env.netns);
  using pod = NetlinkSocket.open(NETLINK.ROUTE, { netns });
  const link = readLink(pod, { name });
  if (!link || (link.flags & IFF.UP) === 0) throw checkFailed('lo of the container is down');
}

export const plugin: Plugin = {
  type: 'loopback',
  about: 'CNI plugin loopback (underpod): lo of the container',
  add,
  del,
  check,
  /** Nothing outlives the container's namespace. */
  gc() {},
  /** Nothing is needed. */
  status() {},
};
