/** The host's end of the pod's veth pair, which prevResult must name. */

import { NETLINK } from '../../../shared/netlink/codec/message.ts';
import { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import { invalidConfig } from '../../protocol/error.ts';
import type { Result } from '../../protocol/result.ts';
import type { LinkView } from '../common/link-view.ts';
import { readLink } from '../common/links.ts';
import { openPodNetns } from '../common/pod-netns.ts';

/**
 * Finds it by the kernel's word for the other end, and holds it against prevResult, so that no other interface of the
 * host that has that number is taken for it.
 *
 * @throws CniError code 7 where the pod's interface is no veth, or its other end is not on the host
 */
export function findHostInterface(
  host: NetlinkSocket,
  pod: { readonly netns: string; readonly ifname: string },
  { interfaces }: Result,
): LinkView {
  const inside = readInside(pod);
  if (inside?.kind !== 'veth' || inside.peer === undefined) {
    const what = inside === undefined ? 'no such interface' : `of kind "${inside.kind}"`;
    throw invalidConfig(
      `bandwidth limits veth interfaces only, and the container's ${pod.ifname} is ${what}`,
      {
        details: 'chain this plugin after one that makes a veth pair, such as bridge or ptp',
      },
    );
  }
  const outside = readLink(host, { index: inside.peer });
  if (outside && outside.kind === 'veth' && outside.peer === inside.index) {
    for (const { name, sandbox } of interfaces) if (!sandbox && name === outside.name) return outside;
  }
  throw invalidConfig(`prevResult does not name the host's end of the container's ${pod.ifname}`, {
    details: 'it must list that interface without "sandbox", as bridge and ptp do',
  });
}

function readInside({
  netns,
  ifname,
}: {
  readonly netns: string;
  readonly ifname: string;
}): LinkView | undefined {
  using container = openPodNetns(netns);
  using socket = NetlinkSocket.open(NETLINK.ROUTE, { netns: container });
  return readLink(socket, { name: ifname });
}
