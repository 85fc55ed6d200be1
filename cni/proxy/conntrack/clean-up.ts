/** Has the kernel forget stale UDP flows: the table is listed once for all services that changed together. */

import { decodeFlow, deleteFlow, dumpFlows } from '../../../shared/netlink/codec/conntrack.ts';
import { NETLINK } from '../../../shared/netlink/codec/message.ts';
import type { NetlinkRequest } from '../../../shared/netlink/request.ts';
import { Rtnetlink } from '../../../shared/netlink/rtnetlink.ts';
import { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import { type Address, packAddress } from '../model/endpoint.ts';
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
  for (const { payload } of kernel.dump(dumpFlows(targets.family, PROTOCOL_NUMBER.UDP))) {
    const flow = decodeFlow(payload);
    if (flow && targets.isStale(flow, isLocal)) stale.push(deleteFlow(flow));
  }
  let deleted = 0;
  // What fails has ended meanwhile.
  for (const { error } of kernel.transact(stale)) if (error === undefined) deleted += 1;
  return deleted;
}

function localAddresses(): (address: Address) => boolean {
  using kernel = Rtnetlink.open();
  const own = new Set(kernel.addresses().map(({ address }) => packAddress(address.ip)));
  return (address) => own.has(address);
}
