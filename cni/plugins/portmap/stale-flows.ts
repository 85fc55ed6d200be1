import type { Cidr } from '../../../shared/ip/cidr.ts';
import { ipEquals } from '../../../shared/ip/ip.ts';
import type { Flow } from '../../../shared/netlink/codec/conntrack.ts';
import { decodeFlow, deleteFlow, dumpFlows } from '../../../shared/netlink/codec/conntrack.ts';
import { NETLINK } from '../../../shared/netlink/codec/message.ts';
import type { NetlinkRequest } from '../../../shared/netlink/request.ts';
import { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import { PROTOCOL } from '../../../shared/nftables/build/transport.ts';
import type { PortMapping } from './config.ts';
import { isOfFamily } from './nft-rules.ts';

/**
 * Makes the kernel forget UDP flows to the pod's ports on the node that lead elsewhere: a client that keeps its port
 * would otherwise be sent to the pod before, or to nobody, for as long as it sends. A kernel that does not track flows has
 * none.
 */
export function forgetUdpFlows(mappings: readonly PortMapping[], targets: readonly Cidr[]): void {
  let socket: NetlinkSocket;
  try {
    socket = NetlinkSocket.open(NETLINK.NETFILTER);
  } catch {
    return;
  }
  using kernel = socket;
  for (const target of targets) {
    const stale: NetlinkRequest[] = [];
    try {
      for (const { payload } of kernel.dump(dumpFlows(target.ip.family))) {
        const flow = decodeFlow(payload);
        if (flow && isStale(flow, mappings, target)) stale.push(deleteFlow(flow));
      }
    } catch {
      // Without ctnetlink nobody can look; the pod works for clients that come from now on.
      return;
    }
    // What a failure says is that the flow has ended.
    kernel.transact(stale);
  }
}

/** Pure. */
export function isStale({ original, reply }: Flow, mappings: readonly PortMapping[], { ip }: Cidr): boolean {
  if (original.protocol !== PROTOCOL.udp) return false;
  return mappings.some(
    (mapping) =>
      mapping.protocol === 'udp' &&
      mapping.hostPort === original.targetPort &&
      isOfFamily(mapping, ip.family) &&
      !(ipEquals(reply.source, ip) && reply.sourcePort === mapping.containerPort),
  );
}
