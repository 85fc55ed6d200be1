/** The container's end: addresses, routes and up, in one send from a socket that was opened in its namespace. */

import type { Ip } from '../../../shared/ip/ip.ts';
import { formatIp } from '../../../shared/ip/ip.ts';
import { IFA_F, SCOPE } from '../../../shared/netlink/codec/address.ts';
import { IFF } from '../../../shared/netlink/codec/link.ts';
import { NETLINK, NLM_F } from '../../../shared/netlink/codec/message.ts';
import type { NetlinkRequest } from '../../../shared/netlink/request.ts';
import { newAddress } from '../../../shared/netlink/requests/address.ts';
import { getLink, setLink } from '../../../shared/netlink/requests/link.ts';
import { newRoute } from '../../../shared/netlink/requests/route.ts';
import { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import { isErrno } from '../../../shared/sys/errno.ts';
import type { OwnedFd } from '../../../shared/sys/fd.ts';
import { inNetns } from '../../../shared/sys/netns.ts';
import { ensureSysctl, writeSysctl } from '../../../shared/sys/sysctl.ts';
import { internalError, invalidConfig } from '../../protocol/error.ts';
import type { IpConfig, Route } from '../../protocol/result.ts';
import { broadcastOf } from './broadcast.ts';
import { awaitUsableAddresses, KernelEvents } from './kernel-events.ts';
import type { LinkView } from './link-view.ts';
import { linkOf } from './links.ts';
import { trySysctl } from './try-sysctl.ts';

/** What becomes of the container's interface. */
export interface PodInterfaceSpec {
  readonly ifname: string;
  readonly index: number;
  readonly ips: readonly IpConfig[];
  readonly routes: readonly Route[];
  /** Look for duplicates of IPv6 addresses before using them: takes a second or two. */
  readonly enableDad: boolean;
  /** Wait for what is found; true unless given. */
  readonly awaitDad?: boolean;
  /** Announce IPv6 addresses as well when the interface comes up. */
  readonly notifyIpv6?: boolean;
  /** What is changed in the same send once addresses and routes are there. */
  readonly finish?: readonly NetlinkRequest[];
}

/** Gives the container's interface its addresses and routes and sets it up, for a caller who knows its MAC already. */
export function setPodInterface(netns: OwnedFd, spec: PodInterfaceSpec): void {
  prepare(netns, spec, false);
}

/**
 * arp_notify=1: the interface announces its addresses when it comes up. By netlink, in the send that sets
 * the interface up anyway.
 *
 * IFLA_AF_SPEC, in it AF_INET, in it IFLA_INET_CONF, in it IPV4_DEVCONF_ARP_NOTIFY (linux/if_link.h, linux/ip.h).
 */
const arpNotify = {
  type: 26,
  nested: true,
  payload: Uint8Array.of(16, 0, 2, 0x80, 12, 0, 1, 0x80, 8, 0, 22, 0, 1, 0, 0, 0),
} as const;

/** Gives the container's interface its addresses and routes and sets it up. Returns it as it is then. */
export function configurePodInterface(netns: OwnedFd, spec: PodInterfaceSpec): LinkView {
  const link = prepare(netns, spec, true);
  if (link) return link;
  throw internalError(`link ${spec.index} of the container vanished while it was being set up`);
}

/** Waits for duplicate address detection where it is wanted. @param read whether the link is read back */
function prepare(netns: OwnedFd, spec: PodInterfaceSpec, read: boolean): LinkView | undefined {
  const hasIpv6 = firstOfFamily(spec.ips, 6) !== undefined;
  const detect = hasIpv6 && spec.enableDad && spec.awaitDad !== false;
  const [socket, listener] = inNetns(netns, () => {
    setParameters(spec, hasIpv6);
    // The listener is there before the addresses are, so that no event is missed.
    return [NetlinkSocket.open(NETLINK.ROUTE), detect ? KernelEvents.open() : undefined];
  });
  using pod = socket;
  using events = listener;
  const link = configure(pod, spec, read || detect);
  if (events && link) awaitUsableAddresses(pod, events, link);
  return link;
}

/** Sets the interface of a container without addresses up. Returns it as it is then. */
export function setPodInterfaceUp(netns: OwnedFd, index: number): LinkView {
  using pod = NetlinkSocket.open(NETLINK.ROUTE, { netns });
  const link = runAll(pod, [setLink({ index, flags: IFF.UP }), getLink({ index })]);
  if (link) return link;
  throw internalError(`link ${index} of the container vanished while it was being set up`);
}

function configure(pod: NetlinkSocket, spec: PodInterfaceSpec, read: boolean): LinkView | undefined {
  const { index } = spec;
  const requests: NetlinkRequest[] = [];
  for (const { address } of spec.ips) {
    // What nobody looks for duplicates of is usable at once, without waiting for the kernel to find that out.
    const flags = address.ip.family === 6 && !spec.enableDad ? IFA_F.NODAD : 0;
    requests.push(newAddress({ index, address, flags, ...broadcastOf(address) }));
  }
  requests.push(setLink({ index, flags: IFF.UP, unknown: [arpNotify] }));
  for (const route of spec.routes) requests.push(routeRequest(route, spec));
  if (spec.finish) requests.push(...spec.finish);
  if (read) requests.push(getLink({ index }));
  return runAll(pod, requests);
}

/** Makes all requests in one send; returns the link, where the last one reads it. */
function runAll(pod: NetlinkSocket, requests: readonly NetlinkRequest[]): LinkView | undefined {
  let link: LinkView | undefined;
  for (const outcome of pod.transact(requests)) {
    if (outcome.error) throw outcome.error;
    link = linkOf(outcome);
  }
  return link;
}

/** A route without a gateway goes by the first gateway of its family, if there is one, as upstream has it. */
function routeRequest(route: Route, spec: PodInterfaceSpec): NetlinkRequest {
  const { dst, mtu, advmss, priority, table } = route;
  const gateway = route.gw ?? firstGateway(spec.ips, dst.ip.family);
  const metrics = { ...(mtu === undefined ? {} : { mtu }), ...(advmss === undefined ? {} : { advmss }) };
  const request = newRoute({
    destination: dst,
    oif: spec.index,
    scope: route.scope ?? SCOPE.UNIVERSE,
    ...(gateway === undefined ? {} : { gateway }),
    ...(priority === undefined ? {} : { priority }),
    ...(table === undefined ? {} : { table }),
    ...(mtu === undefined && advmss === undefined ? {} : { metrics }),
  });
  // Without NLM_F_EXCL: a second way to the same destination is no error, only the very same route is.
  return { ...request, flags: NLM_F.CREATE };
}

function firstGateway(ips: readonly IpConfig[], family: 4 | 6): Ip | undefined {
  for (const { gateway } of ips) if (gateway?.family === family) return gateway;
  return undefined;
}

function firstOfFamily(ips: readonly IpConfig[], family: 4 | 6): Ip | undefined {
  for (const { address } of ips) if (address.ip.family === family) return address.ip;
  return undefined;
}

/** Runs in the container's namespace. */
function setParameters({ ifname, enableDad, ips, notifyIpv6 }: PodInterfaceSpec, hasIpv6: boolean): void {
  if (notifyIpv6) trySysctl(`net/ipv6/conf/${ifname}/ndisc_notify`, '1');
  if (enableDad) trySysctl(`net/ipv6/conf/${ifname}/enhanced_dad`, '1');
  trySysctl(`net/ipv6/conf/${ifname}/accept_dad`, enableDad ? '1' : '0');
  if (!hasIpv6) return;
  try {
    // Container runtimes switch IPv6 off in new namespaces; a pod with such an address wants it, on lo as well.
    for (const name of ['lo', ifname]) ensureSysctl(`net/ipv6/conf/${name}/disable_ipv6`, '0');
    writeSysctl(`net/ipv6/conf/${ifname}/keep_addr_on_down`, '1');
  } catch (cause) {
    if (!isErrno(cause, 'ENOENT')) throw cause;
    const first = firstOfFamily(ips, 6);
    throw invalidConfig(
      `the kernel has no IPv6, but the pod is to get ${first ? formatIp(first) : 'such an address'}`,
      {
        details: 'boot without ipv6.disable=1, or remove the IPv6 ranges from the network configuration',
        cause,
      },
    );
  }
}
