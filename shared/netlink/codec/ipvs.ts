import type { Ip } from '../../ip/ip.ts';
import { ipFromBytes } from '../../ip/ip.ts';
import { type Attribute, NLA_F_NESTED, parseAttributes } from './attributes.ts';
import { familyNumber, ipFamily } from './constants.ts';
import { DecodeError } from './decode-error.ts';
import { GENERIC_HEADER, writeGenericHeader } from './generic.ts';
import { text, u16, u16be, u32 } from './read.ts';
import { type ByteWriter, encoded } from './wire.ts';

/*
 * Virtual and real servers of IPVS, the kernel's load balancer. Pure. Numbers: linux/ip_vs.h.
 */

/** The family's name and version, and its commands. */
export const IPVS_FAMILY = 'IPVS';
const IPVS_VERSION = 1;
export const IPVS_CMD = {
  NEW_SERVICE: 1,
  SET_SERVICE: 2,
  DEL_SERVICE: 3,
  GET_SERVICE: 4,
  NEW_DEST: 5,
  SET_DEST: 6,
  DEL_DEST: 7,
  GET_DEST: 8,
  SET_CONFIG: 12,
  GET_CONFIG: 13,
  FLUSH: 17,
} as const;

/** Flags of a virtual server: clients stay with their server; it is in the table; source hashing looks at ports, too. */
export const IP_VS_SVC_F = { PERSISTENT: 0x1, HASHED: 0x2, SCHED1: 0x8, SCHED2: 0x10 } as const;

/** IP_VS_CONN_F_MASQ: the server is reached by translation of addresses. */
const MASQUERADING = 0;

/** What tells one virtual server from another. */
export interface VirtualServerKey {
  readonly address: Ip;
  /** IPPROTO_* of linux/in.h. */
  readonly protocol: number;
  readonly port: number;
}

export interface VirtualServer extends VirtualServerKey {
  /** Name of the scheduler: `rr`. */
  readonly scheduler: string;
  /** Bits of IP_VS_SVC_F; HASHED is the kernel's. */
  readonly flags: number;
  /** Seconds that a client stays with its server, where PERSISTENT is set. */
  readonly timeout: number;
  /** Bits of a client's address that tell it from others: 32, 128. */
  readonly prefix: number;
}

export interface RealServer {
  readonly address: Ip;
  readonly port: number;
  /** 0: no new connections. */
  readonly weight: number;
  /** Only ever told. */
  readonly activeConnections?: number;
  readonly inactiveConnections?: number;
}

/** Seconds; 0 leaves one as it is. */
export interface IpvsTimeouts {
  readonly tcp: number;
  readonly tcpFin: number;
  readonly udp: number;
}

/** Attributes IPVS_CMD_ATTR_*, IPVS_SVC_ATTR_* and IPVS_DEST_ATTR_*. */
const CMD_ATTR = { SERVICE: 1, DEST: 2, TIMEOUT_TCP: 4, TIMEOUT_TCP_FIN: 5, TIMEOUT_UDP: 6 } as const;
const SVC = {
  AF: 1,
  PROTOCOL: 2,
  ADDR: 3,
  PORT: 4,
  FWMARK: 5,
  SCHED_NAME: 6,
  FLAGS: 7,
  TIMEOUT: 8,
  NETMASK: 9,
} as const;
const DEST = {
  ADDR: 1,
  PORT: 2,
  FWD_METHOD: 3,
  WEIGHT: 4,
  U_THRESH: 5,
  L_THRESH: 6,
  ACTIVE_CONNS: 7,
  INACT_CONNS: 8,
  ADDR_FAMILY: 11,
} as const;

/** A union of an IPv4 and an IPv6 address (union nf_inet_addr, linux/netfilter.h). */
const ADDRESS_SIZE = 16;

/** The payload of a command about a virtual server: all of it to add or change it, or what tells which one. */
export function encodeVirtualServer(command: number, server: VirtualServerKey | VirtualServer): Uint8Array {
  return encoded((writer, of) => {
    writeGenericHeader(writer, command, IPVS_VERSION);
    writeVirtualServer(writer, of);
  }, server);
}

/** The payload of a command about a real server of a virtual one. */
export function encodeRealServer(command: number, of: VirtualServerKey, server: RealServer): Uint8Array {
  return encoded(
    (writer, { of: whose, server: one }) => {
      writeGenericHeader(writer, command, IPVS_VERSION);
      writeVirtualServer(writer, whose);
      writeRealServer(writer, one);
    },
    { of, server },
  );
}

/** The payload of a command that says nothing more. */
export function encodeIpvsCommand(command: number): Uint8Array {
  return encoded((writer) => writeGenericHeader(writer, command, IPVS_VERSION), undefined);
}

export function encodeTimeouts(timeouts: IpvsTimeouts): Uint8Array {
  return encoded((writer, { tcp, tcpFin, udp }) => {
    writeGenericHeader(writer, IPVS_CMD.SET_CONFIG, IPVS_VERSION);
    writer.attrU32(CMD_ATTR.TIMEOUT_TCP, tcp);
    writer.attrU32(CMD_ATTR.TIMEOUT_TCP_FIN, tcpFin);
    writer.attrU32(CMD_ATTR.TIMEOUT_UDP, udp);
  }, timeouts);
}

function writeVirtualServer(writer: ByteWriter, server: VirtualServerKey | VirtualServer): void {
  const nest = writer.beginNest(CMD_ATTR.SERVICE | NLA_F_NESTED);
  writer.attrU16(SVC.AF, familyNumber(server.address.family));
  writer.attrU16(SVC.PROTOCOL, server.protocol);
  writeAddress(writer, SVC.ADDR, server.address);
  writer.attrU16be(SVC.PORT, server.port);
  if ('scheduler' in server) {
    writer.attrString(SVC.SCHED_NAME, server.scheduler);
    // struct ip_vs_flags: flags u32, and which of them are meant u32.
    const flags = writer.beginNest(SVC.FLAGS);
    writer.u32(server.flags);
    writer.u32(0xffff_ffff);
    writer.endNest(flags);
    writer.attrU32(SVC.TIMEOUT, server.timeout);
    // A mask of IPv4, a length of IPv6.
    if (server.address.family === 4) writer.attrU32be(SVC.NETMASK, maskOf(server.prefix));
    else writer.attrU32(SVC.NETMASK, server.prefix);
  }
  writer.endNest(nest);
}

function writeRealServer(writer: ByteWriter, { address, port, weight }: RealServer): void {
  const nest = writer.beginNest(CMD_ATTR.DEST | NLA_F_NESTED);
  writeAddress(writer, DEST.ADDR, address);
  writer.attrU16be(DEST.PORT, port);
  writer.attrU32(DEST.FWD_METHOD, MASQUERADING);
  writer.attrU32(DEST.WEIGHT, weight);
  writer.attrU32(DEST.U_THRESH, 0);
  writer.attrU32(DEST.L_THRESH, 0);
  writer.attrU16(DEST.ADDR_FAMILY, familyNumber(address.family));
  writer.endNest(nest);
}

function writeAddress(writer: ByteWriter, type: number, address: Ip): void {
  const nest = writer.beginNest(type);
  writer.ip(address);
  if (address.family === 4) writer.zeros(ADDRESS_SIZE - 4);
  writer.endNest(nest);
}

function maskOf(prefix: number): number {
  return prefix === 0 ? 0 : (0xffff_ffff << (32 - prefix)) >>> 0;
}

/** A virtual server as GET_SERVICE tells it; undefined for one by firewall mark. @throws DecodeError */
export function decodeVirtualServer(bytes: Uint8Array): VirtualServer | undefined {
  const found = new Map(nested(bytes, CMD_ATTR.SERVICE).map(({ type, payload }) => [type, payload]));
  if (found.has(SVC.FWMARK)) return undefined;
  const family = ipFamily(u16(need(found, SVC.AF)));
  const mask = found.get(SVC.NETMASK);
  return {
    address: readAddress(need(found, SVC.ADDR), family),
    protocol: u16(need(found, SVC.PROTOCOL)),
    port: u16be(need(found, SVC.PORT)),
    scheduler: text(need(found, SVC.SCHED_NAME)),
    flags: u32(need(found, SVC.FLAGS)),
    timeout: u32(need(found, SVC.TIMEOUT)),
    prefix: mask === undefined ? 0 : family === 4 ? bitsOf(mask) : u32(mask),
  };
}

/** A real server as GET_DEST tells it. @throws DecodeError */
export function decodeRealServer(bytes: Uint8Array, family: 4 | 6): RealServer {
  const found = new Map(nested(bytes, CMD_ATTR.DEST).map(({ type, payload }) => [type, payload]));
  // Kernels before 3.18 do not say, and know one family for both.
  const named = found.get(DEST.ADDR_FAMILY);
  const active = found.get(DEST.ACTIVE_CONNS);
  const inactive = found.get(DEST.INACT_CONNS);
  return {
    address: readAddress(need(found, DEST.ADDR), named ? ipFamily(u16(named)) : family),
    port: u16be(need(found, DEST.PORT)),
    weight: u32(need(found, DEST.WEIGHT)),
    ...(active && { activeConnections: u32(active) }),
    ...(inactive && { inactiveConnections: u32(inactive) }),
  };
}

/** What GET_CONFIG tells. @throws DecodeError */
export function decodeTimeouts(bytes: Uint8Array): IpvsTimeouts {
  const found = new Map(parseAttributes(bytes, GENERIC_HEADER).map(({ type, payload }) => [type, payload]));
  return {
    tcp: u32(need(found, CMD_ATTR.TIMEOUT_TCP)),
    tcpFin: u32(need(found, CMD_ATTR.TIMEOUT_TCP_FIN)),
    udp: u32(need(found, CMD_ATTR.TIMEOUT_UDP)),
  };
}

function nested(bytes: Uint8Array, type: number): readonly Attribute[] {
  const attribute = parseAttributes(bytes, GENERIC_HEADER).find((one) => one.type === type);
  if (!attribute) throw new DecodeError(`an answer of IPVS without attribute ${type}`);
  return parseAttributes(attribute.payload);
}

function need(found: ReadonlyMap<number, Uint8Array>, type: number): Uint8Array {
  const payload = found.get(type);
  if (!payload) throw new DecodeError(`a server without attribute ${type}`);
  return payload;
}

function readAddress(bytes: Uint8Array, family: 4 | 6): Ip {
  const size = family === 4 ? 4 : 16;
  if (bytes.length < size) throw new DecodeError(`an address of IPv${family} in ${bytes.length} bytes`);
  return ipFromBytes(bytes.subarray(0, size));
}

function bitsOf(mask: Uint8Array): number {
  let bits = 0;
  for (const byte of mask.subarray(0, 4)) for (let left = byte; left > 0; left &= left - 1) bits += 1;
  return bits;
}
