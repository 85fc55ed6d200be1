import type { Cidr } from '../../ip/cidr.ts';
import type { Ip } from '../../ip/ip.ts';
import type { Attribute } from './attributes.ts';

/** Tables, linux/rtnetlink.h. */
export const RT_TABLE = { UNSPEC: 0, DEFAULT: 253, MAIN: 254, LOCAL: 255 } as const;
/** Who made a route, linux/rtnetlink.h. */
export const RTPROT = { UNSPEC: 0, REDIRECT: 1, KERNEL: 2, BOOT: 3, STATIC: 4, RA: 9 } as const;
/** What a route does, linux/rtnetlink.h. */
export const RTN = {
  UNSPEC: 0,
  UNICAST: 1,
  LOCAL: 2,
  BROADCAST: 3,
  ANYCAST: 4,
  MULTICAST: 5,
  BLACKHOLE: 6,
  UNREACHABLE: 7,
  PROHIBIT: 8,
  THROW: 9,
} as const;
/** Bits of rtm_flags and rtnh_flags, linux/rtnetlink.h. */
export const RTNH_F = {
  DEAD: 1,
  PERVASIVE: 2,
  ONLINK: 4,
  OFFLOAD: 8,
  LINKDOWN: 16,
  UNRESOLVED: 32,
} as const;

/** Metrics of a route; sizes in bytes. */
export interface RouteMetrics {
  readonly mtu?: number;
  readonly advmss?: number;
  readonly window?: number;
  readonly rtt?: number;
  readonly rttVar?: number;
  readonly ssthresh?: number;
  readonly cwnd?: number;
  readonly reordering?: number;
  readonly hoplimit?: number;
  readonly initcwnd?: number;
  readonly initrwnd?: number;
  /** Bits of RTAX_FEATURE. */
  readonly features?: number;
  readonly rtoMin?: number;
  readonly quickAck?: number;
  /** Bit mask: metrics that the kernel may not change. */
  readonly lock?: number;
  readonly unknown?: readonly Attribute[];
}

/** One way of a multipath route. */
export interface NextHop {
  readonly oif: number;
  /** Share of the traffic, from 1. */
  readonly weight: number;
  /** Bits of RTNH_F. */
  readonly flags: number;
  /** Of the route's family or, for an IPv4 route, IPv6. */
  readonly gateway?: Ip;
  readonly unknown?: readonly Attribute[];
}

/** A route as the kernel tells it. */
export interface Route {
  /** 0.0.0.0/0 or ::/0 is the default route. The kernel refuses host bits. */
  readonly destination: Cidr;
  /** IPv6: only for traffic from here. */
  readonly source?: Cidr;
  /** The next hop; of the other family it is sent as RTA_VIA (IPv4 over an IPv6 next hop). */
  readonly gateway?: Ip;
  /** Index of the interface it leaves by. */
  readonly oif?: number;
  readonly iif?: number;
  readonly preferredSource?: Ip;
  /** The metric; lower wins. */
  readonly priority?: number;
  readonly table: number;
  /** One of RTPROT or a routing daemon's number. */
  readonly protocol: number;
  /** One of SCOPE. */
  readonly scope: number;
  /** One of RTN. */
  readonly type: number;
  /** Bits of RTNH_F and RTM_F. */
  readonly flags: number;
  readonly tos: number;
  readonly mark?: number;
  readonly metrics?: RouteMetrics;
  readonly nextHops?: readonly NextHop[];
  readonly nextHopId?: number;
  /** IPv6 router preference: 0 medium, 1 high, 3 low. */
  readonly preference?: number;
  readonly unknown?: readonly Attribute[];
}

/**
 * What a request says about a route. Left out: table main, protocol boot, type unicast, scope link without a gateway
 * and universe with one, as `ip route add` does.
 */
export type RouteSpec = Pick<Route, 'destination'> & Partial<Route>;

export function encodeRoute(spec: RouteSpec): Uint8Array {
  throw new Error(`not built yet: ${JSON.stringify(Object.keys(spec))}`);
}

export function decodeRoute(bytes: Uint8Array): Route {
  throw new Error(`not built yet: ${JSON.stringify(Object.keys(bytes))}`);
}

export function encodeRouteFilter(filter: object): Uint8Array {
  throw new Error(`not built yet: ${JSON.stringify(Object.keys(filter))}`);
}

export function encodeRouteQuery(destination: Ip, query: object): Uint8Array {
  throw new Error(`not built yet: ${JSON.stringify(Object.keys({ destination, query }))}`);
}
