import type { Ip } from '../../ip/ip.ts';
import { type Attribute, parseAttributes } from './attributes.ts';
import { familyNumber, ipFamily } from './constants.ts';
import { DecodeError } from './decode-error.ts';
import { ip, u8, u16, u32 } from './read.ts';
import type { ByteWriter } from './wire.ts';

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

/** Size of struct rtnexthop: len u16, flags u8, hops u8, ifindex s32 (linux/rtnetlink.h). */
const HEADER = 8;
const RTA_GATEWAY = 5;
const RTA_VIA = 18;

/** Writes the next hop of a route of `family`: as RTA_GATEWAY, or as RTA_VIA where it is of the other family. */
export function writeGateway(writer: ByteWriter, gateway: Ip, family: 4 | 6): void {
  if (gateway.family === family) {
    writer.attrIp(RTA_GATEWAY, gateway);
    return;
  }
  // struct rtvia: family u16, address.
  const start = writer.beginNest(RTA_VIA);
  writer.u16(familyNumber(gateway.family));
  writer.ip(gateway);
  writer.endNest(start);
  writer.align();
}

/** Reads the content of RTA_VIA. @throws DecodeError */
export function readVia(bytes: Uint8Array): Ip {
  return ip(bytes.slice(2), ipFamily(u16(bytes)));
}

/** Writes the content of RTA_MULTIPATH. */
export function writeNextHops(writer: ByteWriter, hops: readonly NextHop[], family: 4 | 6): void {
  for (const hop of hops) {
    const start = writer.length;
    writer.u16(0);
    writer.u8(hop.flags);
    writer.u8(hop.weight - 1);
    writer.u32(hop.oif);
    if (hop.gateway !== undefined) writeGateway(writer, hop.gateway, family);
    writer.attributes(hop.unknown);
    // rtnh_len stands where nla_len of a nest would.
    writer.endNest(start);
  }
}

/** @throws DecodeError */
export function readNextHops(bytes: Uint8Array, family: 4 | 6): NextHop[] {
  const hops: NextHop[] = [];
  let at = 0;
  while (bytes.length - at >= HEADER) {
    const length = u16(bytes, at);
    if (length < HEADER || length > bytes.length - at) {
      throw new DecodeError(`next hop at byte ${at} claims ${length} of ${bytes.length - at} bytes`);
    }
    hops.push(readNextHop(bytes, at, length, family));
    at += (length + 3) & ~3;
  }
  return hops;
}

function readNextHop(bytes: Uint8Array, at: number, length: number, family: 4 | 6): NextHop {
  const unknown: Attribute[] = [];
  let gateway: Ip | undefined;
  for (const attribute of parseAttributes(bytes, at + HEADER, at + length)) {
    if (attribute.type === RTA_GATEWAY) gateway = ip(attribute.payload, family);
    else if (attribute.type === RTA_VIA) gateway = readVia(attribute.payload);
    else unknown.push(attribute);
  }
  return {
    oif: u32(bytes, at + 4),
    weight: u8(bytes, at + 3) + 1,
    flags: u8(bytes, at + 2),
    ...(gateway === undefined ? {} : { gateway }),
    ...(unknown.length === 0 ? {} : { unknown }),
  };
}
