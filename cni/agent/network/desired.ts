/** What the agent wants the kernel to hold for the pod network. Plain data, named by device, free of indexes. */

import type { Cidr } from '../../../shared/ip/cidr.ts';
import type { Ip } from '../../../shared/ip/ip.ts';

/**
 * Who made a route, as `ip route` shows it (`proto 93`): routes with this number are the agent's, wherever they point,
 * and a restarted agent removes those that it no longer wants. Numbers from 18 up are free for user space
 * (include/uapi/linux/rtnetlink.h); 93 is taken by none of the daemons listed there or in iproute2's rt_protos.
 */
export const ROUTE_PROTOCOL = 93;

/** A VXLAN device with everything that is on it besides peers. */
export interface DesiredDevice {
  readonly name: string;
  readonly mac: Uint8Array;
  /** Bytes. */
  readonly mtu: number;
  /** All its addresses of global scope. */
  readonly addresses: readonly Cidr[];
  readonly vxlan: DesiredVxlan;
}

export interface DesiredVxlan {
  readonly vni: number;
  /** UDP port. */
  readonly port: number;
  /** Outer source address. */
  readonly local: Ip;
  /** Index of the underlay interface. */
  readonly underlay: number;
  readonly learning: boolean;
  readonly gbp: boolean;
}

/** A permanent neighbour. */
export interface DesiredNeighbour {
  readonly device: string;
  readonly ip: Ip;
  readonly mac: Uint8Array;
}

/** A permanent entry of a VXLAN device's forwarding table. */
export interface DesiredFdb {
  readonly device: string;
  readonly mac: Uint8Array;
  readonly destination: Ip;
}

/** A route of the main table; without a device it is a black hole. */
export interface DesiredRoute {
  readonly destination: Cidr;
  readonly gateway?: Ip;
  readonly device?: string;
  /** The gateway is taken to be on the link although no address there says so. */
  readonly onlink: boolean;
  /** IPv4 default 0, IPv6 default 1024, the kernel's own. */
  readonly metric?: number;
}

/** The desired content of the kernel. Everything else on the devices named here is stale. */
export interface DesiredNetwork {
  /** Names of VXLAN devices that the agent made under other settings: they go. */
  readonly retired?: readonly string[];
  readonly devices: readonly DesiredDevice[];
  readonly neighbours: readonly DesiredNeighbour[];
  readonly fdb: readonly DesiredFdb[];
  readonly routes: readonly DesiredRoute[];
}

/** Nothing at all: what a backend without kernel state wants. */
export const NOTHING: DesiredNetwork = { devices: [], neighbours: [], fdb: [], routes: [] };

/** The metric that the kernel gives a route without one (IP6_RT_PRIO_USER, include/uapi/linux/ipv6_route.h). */
export function metricOf(route: { readonly destination: Cidr; readonly metric?: number }): number {
  return route.metric ?? (route.destination.ip.family === 4 ? 0 : 1024);
}
