/** Has the kernel forget stale UDP flows: the table is listed once for all services that changed together. */

import { decodeFlow, deleteFlow, dumpFlows, type Flow } from '../../../shared/netlink/codec/conntrack.ts';
import { NETLINK } from '../../../shared/netlink/codec/message.ts';
import type { NetlinkRequest } from '../../../shared/netlink/request.ts';
import { Rtnetlink } from '../../../shared/netlink/rtnetlink.ts';
import { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import { type Address, type Endpoint, endpointOf, type Family, packAddress } from '../model/endpoint.ts';
import { PROTOCOL_NUMBER } from '../model/service-port.ts';
import type { FlowTargets } from './stale-flows.ts';

/**
 * Deletes what is stale. @returns how many flows
 *
 * @throws NetlinkError where the kernel cannot list or delete flows (no ctnetlink, no rights)
 */
export function deleteStaleFlows(targets: FlowTargets): number {
  if (targets.isEmpty) return 0;
  const isLocal = targets.hasNodePorts ? localAddresses() : () => false;
  using kernel = NetlinkSocket.open(NETLINK.NETFILTER);
  const stale: NetlinkRequest[] = [];
  for (const flow of flows(kernel, targets.family, PROTOCOL_NUMBER.UDP))
    if (targets.isStale(flow, isLocal)) stale.push(deleteFlow(flow));
  let deleted = 0;
  // What fails has ended meanwhile.
  for (const { error } of kernel.transact(stale)) if (error === undefined) deleted += 1;
  return deleted;
}

/**
 * Ends UDP flows to what nobody serves at any more. A flow that was led on by IPVS is not translated when that is over: connection
 * tracking knows it and asks no rule.
 *
 * @param frontends address and port
 * @throws NetlinkError as above
 */
export function deleteUdpFlowsTo(family: Family, frontends: ReadonlySet<Endpoint>): void {
  if (frontends.size === 0) return;
  using kernel = NetlinkSocket.open(NETLINK.NETFILTER);
  const found = flows(kernel, family, PROTOCOL_NUMBER.UDP).filter(
    ({ original: { target, targetPort } }) =>
      targetPort !== undefined && frontends.has(endpointOf(packAddress(target), targetPort)),
  );
  // What fails has ended meanwhile.
  kernel.transact([...found].map(deleteFlow));
}

/** Addresses that TCP connections come from which are open, or have just ended. @throws NetlinkError as above */
export function tcpSources(family: Family): ReadonlySet<Address> {
  using kernel = NetlinkSocket.open(NETLINK.NETFILTER);
  return new Set(
    flows(kernel, family, PROTOCOL_NUMBER.TCP).map(({ original }) => packAddress(original.source)),
  );
}

function* flows(kernel: NetlinkSocket, family: Family, protocol: number): Generator<Flow> {
  for (const { payload } of kernel.dump(dumpFlows(family, protocol))) {
    const flow = decodeFlow(payload);
    if (flow?.original.protocol === protocol) yield flow;
  }
}

function localAddresses(): (address: Address) => boolean {
  using kernel = Rtnetlink.open();
  const own = new Set(kernel.addresses().map(({ address }) => packAddress(address.ip)));
  return (address) => own.has(address);
}
