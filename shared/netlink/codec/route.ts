import type { Cidr } from '../../ip/cidr.ts';
import { familyBits, type Ip } from '../../ip/ip.ts';
import { SCOPE } from './address.ts';
import type { Attribute } from './attributes.ts';
import { familyNumber, ipFamily } from './constants.ts';
import { AttributeCursor } from './cursor.ts';
import { DecodeError } from './decode-error.ts';
import { type NextHop, readNextHops, readVia, writeGateway, writeNextHops } from './next-hop.ts';
import { cidr, u8, u32 } from './read.ts';
import { type RouteMetrics, readMetrics, writeMetrics } from './route-metrics.ts';
import { type ByteWriter, encoded } from './wire.ts';

export type { NextHop } from './next-hop.ts';
export type { RouteMetrics } from './route-metrics.ts';

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

/** Bits of rtm_flags that routes have beside RTNH_F, linux/rtnetlink.h. */
export const RTM_F = { NOTIFY: 0x100, CLONED: 0x200, LOOKUP_TABLE: 0x1000, FIB_MATCH: 0x2000 } as const;

/**
 * Size of struct rtmsg: family, dst_len, src_len, tos, table, protocol, scope, type as u8, flags u32
 * (linux/rtnetlink.h).
 */
const HEADER = 12;

/** Attributes of linux/rtnetlink.h. */
const RTA = {
  DST: 1,
  SRC: 2,
  IIF: 3,
  OIF: 4,
  GATEWAY: 5,
  PRIORITY: 6,
  PREFSRC: 7,
  METRICS: 8,
  MULTIPATH: 9,
  TABLE: 15,
  MARK: 16,
  VIA: 18,
  PREF: 20,
  NH_ID: 30,
} as const;

/** The payload of RTM_NEWROUTE and RTM_DELROUTE. */
export function encodeRoute(spec: RouteSpec): Uint8Array {
  return encoded(writeRoute, spec);
}

export function writeRoute(writer: ByteWriter, spec: RouteSpec): void {
  const { destination, source, gateway, table = RT_TABLE.MAIN, type = RTN.UNICAST } = spec;
  writer.u8(familyNumber(destination.ip.family));
  writer.u8(destination.prefix);
  writer.u8(source?.prefix ?? 0);
  writer.u8(spec.tos ?? 0);
  writer.u8(table > 0xff ? RT_TABLE.UNSPEC : table);
  writer.u8(spec.protocol ?? RTPROT.BOOT);
  writer.u8(spec.scope ?? defaultScope(spec, type));
  writer.u8(type);
  writer.u32(spec.flags ?? 0);
  if (destination.prefix > 0) writer.attrIp(RTA.DST, destination.ip);
  if (source !== undefined && source.prefix > 0) writer.attrIp(RTA.SRC, source.ip);
  if (gateway !== undefined) writeGateway(writer, gateway, destination.ip.family);
  if (spec.preferredSource !== undefined) writer.attrIp(RTA.PREFSRC, spec.preferredSource);
  if (spec.priority !== undefined) writer.attrU32(RTA.PRIORITY, spec.priority);
  if (spec.preference !== undefined) writer.attrU8(RTA.PREF, spec.preference);
  if (table > 0xff) writer.attrU32(RTA.TABLE, table);
  if (spec.metrics !== undefined) {
    const start = writer.beginNest(RTA.METRICS);
    writeMetrics(writer, spec.metrics);
    writer.endNest(start);
  }
  if (spec.nextHops !== undefined) {
    const start = writer.beginNest(RTA.MULTIPATH);
    writeNextHops(writer, spec.nextHops, destination.ip.family);
    writer.endNest(start);
  }
  if (spec.nextHopId !== undefined) writer.attrU32(RTA.NH_ID, spec.nextHopId);
  if (spec.iif !== undefined) writer.attrU32(RTA.IIF, spec.iif);
  if (spec.oif !== undefined) writer.attrU32(RTA.OIF, spec.oif);
  if (spec.mark !== undefined) writer.attrU32(RTA.MARK, spec.mark);
  writer.attributes(spec.unknown);
}

/** @throws DecodeError, also for families other than IPv4 and IPv6 */
export function decodeRoute(bytes: Uint8Array): Route {
  const family = ipFamily(u8(bytes));
  let unknown: Attribute[] | undefined;
  const found: { -readonly [K in keyof Route]?: Route[K] } = {
    tos: u8(bytes, 3),
    table: u8(bytes, 4),
    protocol: u8(bytes, 5),
    scope: u8(bytes, 6),
    type: u8(bytes, 7),
    flags: u32(bytes, 8),
  };
  const prefix = u8(bytes, 1);
  if (prefix > familyBits(family)) throw new DecodeError(`no prefix of IPv${family} has ${prefix} bits`);
  let destination: Ip = { family, value: 0n };
  for (const at = new AttributeCursor(bytes, HEADER); at.next(); ) {
    switch (at.type) {
      case RTA.DST:
        if (prefix > 0) destination = at.ip(family);
        break;
      case RTA.SRC:
        if (u8(bytes, 2) > 0) found.source = cidr(at.payload(), u8(bytes, 2), family);
        break;
      case RTA.IIF:
        found.iif = at.u32();
        break;
      case RTA.OIF:
        found.oif = at.u32();
        break;
      case RTA.GATEWAY:
        found.gateway = at.ip(family);
        break;
      case RTA.VIA:
        found.gateway = readVia(at.payload());
        break;
      case RTA.PRIORITY:
        found.priority = at.u32();
        break;
      case RTA.PREFSRC:
        found.preferredSource = at.ip(family);
        break;
      case RTA.METRICS:
        found.metrics = readMetrics(at.payload());
        break;
      case RTA.MULTIPATH:
        found.nextHops = readNextHops(at.payload(), family);
        break;
      case RTA.TABLE:
        found.table = at.u32();
        break;
      case RTA.MARK:
        found.mark = at.u32();
        break;
      case RTA.PREF:
        found.preference = at.u8();
        break;
      case RTA.NH_ID:
        found.nextHopId = at.u32();
        break;
      default:
        if (unknown) unknown.push(at.attribute());
        else unknown = [at.attribute()];
    }
  }
  found.destination = { ip: destination, prefix };
  if (unknown) found.unknown = unknown;
  return found as Route;
}

/** The payload of an RTM_GETROUTE that lists routes. */
export function encodeRouteFilter(filter: {
  readonly family: 4 | 6;
  readonly table?: number;
  readonly protocol?: number;
  readonly type?: number;
  readonly oif?: number;
}): Uint8Array {
  const { table = RT_TABLE.UNSPEC, oif } = filter;
  return encoded((writer) => {
    writer.u32(familyNumber(filter.family));
    writer.u8(table > 0xff ? RT_TABLE.UNSPEC : table);
    writer.u8(filter.protocol ?? RTPROT.UNSPEC);
    writer.u8(0);
    writer.u8(filter.type ?? RTN.UNSPEC);
    writer.u32(0);
    if (table > 0xff) writer.attrU32(RTA.TABLE, table);
    if (oif !== undefined) writer.attrU32(RTA.OIF, oif);
  }, undefined);
}

/** The payload of an RTM_GETROUTE that asks for the way to one address. */
export function encodeRouteQuery(
  destination: Ip,
  query: { readonly source?: Ip; readonly oif?: number; readonly iif?: number; readonly mark?: number },
): Uint8Array {
  const prefix = destination.family === 4 ? 32 : 128;
  return encoded((writer) => {
    writer.u8(familyNumber(destination.family));
    writer.u8(prefix);
    writer.u8(query.source === undefined ? 0 : prefix);
    writer.u8(0);
    writer.u32(0);
    // Else IPv4 tells the table that it should have looked in (main) and not the one it found it in; IPv6 always tells
    // the latter, and refuses the flag.
    writer.u32(destination.family === 4 ? RTM_F.LOOKUP_TABLE : 0);
    writer.attrIp(RTA.DST, destination);
    if (query.source !== undefined) writer.attrIp(RTA.SRC, query.source);
    if (query.iif !== undefined) writer.attrU32(RTA.IIF, query.iif);
    if (query.oif !== undefined) writer.attrU32(RTA.OIF, query.oif);
    if (query.mark !== undefined) writer.attrU32(RTA.MARK, query.mark);
  }, undefined);
}

/** What `ip route add` chooses. IPv6 has no scopes and ignores it. */
function defaultScope(spec: RouteSpec, type: number): number {
  if (type === RTN.LOCAL) return SCOPE.HOST;
  if (type === RTN.BROADCAST || type === RTN.MULTICAST || type === RTN.ANYCAST) return SCOPE.LINK;
  const direct = spec.gateway === undefined && spec.nextHops === undefined && spec.nextHopId === undefined;
  return type === RTN.UNICAST && direct ? SCOPE.LINK : SCOPE.UNIVERSE;
}
