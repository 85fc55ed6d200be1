/** Addresses and routes of both ends of a point-to-point pair. Pure. */

import type { Cidr } from '../../../shared/ip/cidr.ts';
import { formatCidr, includesCidr, networkOf } from '../../../shared/ip/cidr.ts';
import type { Ip } from '../../../shared/ip/ip.ts';
import { familyBits } from '../../../shared/ip/ip.ts';
import { IFA_F, SCOPE } from '../../../shared/netlink/codec/address.ts';
import type { NetlinkRequest } from '../../../shared/netlink/request.ts';
import { newAddress } from '../../../shared/netlink/requests/address.ts';
import { delRoute, newRoute, replaceRoute } from '../../../shared/netlink/requests/route.ts';
import { invalidConfig } from '../../protocol/error.ts';
import type { IpConfig } from '../../protocol/result.ts';

/** Index of the container's interface in a result of ptp: host veth, container. */
export const containerIndex = 1;

/** An address of the pod. */
export interface PtpAddress extends IpConfig {
  readonly gateway: Ip;
}

/** The pod's addresses with their gateways. Throws code 7 for one without: the host's end has no other address. */
export function planIps(ips: readonly IpConfig[]): PtpAddress[] {
  const planned: PtpAddress[] = [];
  for (const { address, gateway } of ips) {
    if (gateway?.family !== address.ip.family) {
      throw invalidConfig(
        `the IPAM plugin gave ${formatCidr(address)} no gateway: ptp needs one, which the host's end gets`,
      );
    }
    planned.push({ address, gateway, interface: containerIndex });
  }
  return planned;
}

/**
 * In the pod, everything goes by the gateway, the rest of the pod's subnet as well: there is nobody else on the link. So
 * the route that came with the address goes, the gateway is reached directly, and the subnet by it.
 *
 * @param index of the container's end, in its namespace
 */
export function podRequests(ips: readonly PtpAddress[], index: number): NetlinkRequest[] {
  const requests: NetlinkRequest[] = [];
  const done: Cidr[] = [];
  for (const { address, gateway } of ips) {
    const direct = host(gateway);
    const subnet = networkOf(address);
    const preferredSource = address.ip;
    // The kernel adds no route for a subnet of one address.
    const isSubnet = subnet.prefix < familyBits(subnet.ip.family) && !includesCidr(done, subnet);
    if (isSubnet) requests.push(delRoute({ destination: subnet, oif: index }));
    if (!includesCidr(done, direct)) {
      requests.push(newRoute({ destination: direct, oif: index, scope: SCOPE.LINK, preferredSource }));
    }
    if (isSubnet) requests.push(newRoute({ destination: subnet, oif: index, gateway, preferredSource }));
    done.push(direct, subnet);
  }
  return requests;
}

/**
 * On the host, the end has the gateways' addresses, each alone, and the pod's are reached by it. A route to one that is
 * there is of a pod that had the address before.
 *
 * @param index of the host's end
 */
export function hostRequests(ips: readonly PtpAddress[], index: number): NetlinkRequest[] {
  const requests: NetlinkRequest[] = [];
  const done: Cidr[] = [];
  for (const { address, gateway } of ips) {
    const direct = host(gateway);
    if (!includesCidr(done, direct)) {
      // Nobody else is on the link who might have the address; while that was found out, it would not answer.
      const flags = gateway.family === 6 ? IFA_F.NODAD : 0;
      requests.push(newAddress({ index, address: direct, flags }));
    }
    done.push(direct);
    requests.push(replaceRoute({ destination: host(address.ip), oif: index, scope: SCOPE.HOST }));
  }
  return requests;
}

/** The address alone: /32 or /128. */
export function host(ip: Ip): Cidr {
  return { ip, prefix: familyBits(ip.family) };
}
