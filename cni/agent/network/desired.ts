/** What the agent wants the kernel to hold for the pod network. Plain data, named by device, free of indexes. */

import type { Cidr } from '../../../shared/ip/cidr.ts';
import type { Ip } from '../../../shared/ip/ip.ts';
import type { Secret } from './secret.ts';

/**
 * Who made a route, as `ip route` shows it (`proto 93`): routes with this number are the agent's, wherever they point,
 * and a restarted agent removes those that it no longer wants. Numbers from 18 up are free for user space
 * (include/uapi/linux/rtnetlink.h); 93 is taken by none of the daemons listed there or in iproute2's rt_protos.
 */
export const ROUTE_PROTOCOL = 93;

interface DeviceCommon {
  readonly name: string;
  /** Bytes. */
  readonly mtu: number;
  /** All its addresses of global scope. */
  readonly addresses: readonly Cidr[];
}

export interface VxlanDevice extends DeviceCommon {
  readonly kind: 'vxlan';
  readonly mac: Uint8Array;
  readonly vxlan: DesiredVxlan;
}

export interface WireguardDevice extends DeviceCommon {
  readonly kind: 'wireguard';
  readonly wireguard: DesiredWireguard;
}

export interface IpipDevice extends DeviceCommon {
  readonly kind: 'ipip';
  readonly ipip: DesiredIpip;
}

/** A device with everything that is on it besides peers. A new kind is a member here and a file in devices/. */
export type DesiredDevice = VxlanDevice | WireguardDevice | IpipDevice;

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

export interface DesiredWireguard {
  readonly privateKey: Secret;
  /** That of the private key: what the kernel tells is compared with it. */
  readonly publicKey: Uint8Array;
  /** UDP port. */
  readonly listenPort: number;
}

/** IPv4 in IPv4 (RFC 2003), to whatever gateway a route names. */
export interface DesiredIpip {
  /** Outer source address. */
  readonly local: Ip;
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

/** A node on a WireGuard device. */
export interface DesiredWireguardPeer {
  readonly device: string;
  readonly publicKey: Uint8Array;
  readonly presharedKey?: Secret;
  /** Where to send until the peer is heard of from elsewhere. */
  readonly endpoint: Endpoint;
  /** What it may send from and is sent. */
  readonly allowedIps: readonly Cidr[];
  /** Seconds; 0: off. */
  readonly keepalive: number;
}

/** An address and a UDP port. */
export interface Endpoint {
  readonly ip: Ip;
  readonly port: number;
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

/** What peers are reached by. */
export interface Entries {
  readonly neighbours: readonly DesiredNeighbour[];
  readonly fdb: readonly DesiredFdb[];
  readonly routes: readonly DesiredRoute[];
  readonly wireguardPeers: readonly DesiredWireguardPeer[];
}

/** The desired content of the kernel. Everything else on the devices named here is stale. */
export interface DesiredNetwork extends Entries {
  /** Names of devices that the agent made under other settings: they go. */
  readonly retired?: readonly string[];
  /** Indexes of the devices as they were last seen: one of them under another name was renamed by somebody. */
  readonly known?: ReadonlySet<number>;
  readonly devices: readonly DesiredDevice[];
}

/** No entries at all. */
export const NO_ENTRIES: Entries = { neighbours: [], fdb: [], routes: [], wireguardPeers: [] };

/** The metric that the kernel gives a route without one (IP6_RT_PRIO_USER, include/uapi/linux/ipv6_route.h). */
export function metricOf(route: { readonly destination: Cidr; readonly metric?: number }): number {
  return route.metric ?? (route.destination.ip.family === 4 ? 0 : 1024);
}
