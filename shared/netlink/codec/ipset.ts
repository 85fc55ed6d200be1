import type { Ip } from '../../ip/ip.ts';
import { ipFromBytes } from '../../ip/ip.ts';
import { NLA_F_NESTED, NLA_F_NET_BYTEORDER, parseAttributes } from './attributes.ts';
import { familyNumber } from './constants.ts';
import { DecodeError } from './decode-error.ts';
import { text, u8, u16be, u32be } from './read.ts';
import { type ByteWriter, encoded } from './wire.ts';

/*
 * IP sets (nfnetlink's subsystem ipset), which rules of iptables look into: as many kinds as Kubernetes' service proxies use.
 * Pure. Numbers: linux/netfilter/nfnetlink.h and linux/netfilter/ipset/ip_set.h.
 */

/** NFNL_SUBSYS_IPSET, 6, in the upper byte of nlmsg_type; IPSET_CMD_* in the lower. */
export const IPSET = {
  PROTOCOL: 0x601,
  CREATE: 0x602,
  DESTROY: 0x603,
  FLUSH: 0x604,
  LIST: 0x607,
  ADD: 0x609,
  DEL: 0x60a,
  HEADER: 0x60c,
  TYPE: 0x60d,
} as const;

/** The protocol's version: 7 since Linux 4.20, which takes 6 as well. */
const VERSION = 6;

/** Size of struct nfgenmsg: family u8, version u8, resource id be16. */
const HEADER = 4;

/** Attributes IPSET_ATTR_*: of a command, of what is created or added, of what is added alone. */
const ATTR = {
  PROTOCOL: 1,
  SETNAME: 2,
  TYPENAME: 3,
  REVISION: 4,
  FAMILY: 5,
  FLAGS: 6,
  DATA: 7,
  ADT: 8,
} as const;
const DATA = {
  IP: 1,
  CIDR: 3,
  PORT: 4,
  PORT_TO: 5,
  PROTO: 7,
  HASHSIZE: 18,
  MAXELEM: 19,
  IP2: 20,
  CIDR2: 21,
} as const;
/** IPSET_ATTR_IPADDR_*. */
const IPADDR = { 4: 1, 6: 2 } as const;
/** IPSET_FLAG_LIST_SETNAME. */
const LIST_SETNAME = 1 << 1;

export type IpSetType = 'hash:ip' | 'hash:ip,port' | 'hash:ip,port,ip' | 'hash:ip,port,net' | 'bitmap:port';

/** A set as it is made. */
export interface IpSetSpec {
  /** At most 31 characters (IPSET_MAXNAMELEN). */
  readonly name: string;
  readonly type: IpSetType;
  /** Of its addresses; without meaning for ports alone. */
  readonly family: 4 | 6;
  /** The type's revision, of those that the kernel has. */
  readonly revision: number;
  /** Of hashes: buckets at the start, and the most entries. */
  readonly hashSize?: number;
  readonly maxElements?: number;
}

/** One entry; which fields it has is its set's type. */
export interface IpSetEntry {
  readonly ip?: Ip;
  readonly port?: number;
  /** IPPROTO_* of linux/in.h. */
  readonly protocol?: number;
  readonly ip2?: Ip;
  /** Of `ip2` in a set of networks: 1 to 32 or 128. */
  readonly prefix2?: number;
}

/** The payload of a command about a set, or about all. */
export function encodeIpSetCommand(name?: string): Uint8Array {
  return encoded((writer, of) => {
    writeHeader(writer, 4);
    if (of !== undefined) writer.attrString(ATTR.SETNAME, of);
  }, name);
}

/** The payload of LIST that asks for names only. */
export function encodeIpSetNames(): Uint8Array {
  return encoded((writer) => {
    writeHeader(writer, 4);
    writer.attrU32be(ATTR.FLAGS | NLA_F_NET_BYTEORDER, LIST_SETNAME);
  }, undefined);
}

/** The payload of TYPE, which asks for the revisions of a type. */
export function encodeIpSetType(type: IpSetType, family: 4 | 6): Uint8Array {
  return encoded(
    (writer, of) => {
      writeHeader(writer, of.family);
      writer.attrString(ATTR.TYPENAME, of.type);
      writer.attrU8(ATTR.FAMILY, familyOf(of.type, of.family));
    },
    { type, family },
  );
}

/** The payload of CREATE. */
export function encodeIpSet(spec: IpSetSpec): Uint8Array {
  return encoded((writer, { name, type, family, revision, hashSize, maxElements }) => {
    writeHeader(writer, family);
    writer.attrString(ATTR.SETNAME, name);
    writer.attrString(ATTR.TYPENAME, type);
    writer.attrU8(ATTR.REVISION, revision);
    writer.attrU8(ATTR.FAMILY, familyOf(type, family));
    const data = writer.beginNest(ATTR.DATA | NLA_F_NESTED);
    if (type === 'bitmap:port') {
      writer.attrU16be(DATA.PORT | NLA_F_NET_BYTEORDER, 0);
      writer.attrU16be(DATA.PORT_TO | NLA_F_NET_BYTEORDER, 0xffff);
    }
    if (hashSize !== undefined) writer.attrU32be(DATA.HASHSIZE | NLA_F_NET_BYTEORDER, hashSize);
    if (maxElements !== undefined) writer.attrU32be(DATA.MAXELEM | NLA_F_NET_BYTEORDER, maxElements);
    writer.endNest(data);
  }, spec);
}

/** The payload of ADD and DEL. */
export function encodeIpSetEntry(name: string, entry: IpSetEntry): Uint8Array {
  return encoded(
    (writer, of) => {
      writeHeader(writer, of.entry.ip?.family ?? 4);
      writer.attrString(ATTR.SETNAME, of.name);
      const data = writer.beginNest(ATTR.DATA | NLA_F_NESTED);
      writeEntry(writer, of.entry);
      writer.endNest(data);
    },
    { name, entry },
  );
}

function writeHeader(writer: ByteWriter, family: 4 | 6): void {
  writer.u8(familyNumber(family));
  writer.u8(0);
  writer.u16(0);
  writer.attrU8(ATTR.PROTOCOL, VERSION);
}

/** NFPROTO_UNSPEC for ports. */
function familyOf(type: IpSetType, family: 4 | 6): number {
  return type === 'bitmap:port' ? 0 : familyNumber(family);
}

/** In the order in which the `ipset` program writes them. */
function writeEntry(writer: ByteWriter, { ip, port, protocol, ip2, prefix2 }: IpSetEntry): void {
  if (ip !== undefined) writeAddress(writer, DATA.IP, ip);
  if (port !== undefined) writer.attrU16be(DATA.PORT | NLA_F_NET_BYTEORDER, port);
  if (protocol !== undefined) writer.attrU8(DATA.PROTO, protocol);
  if (ip2 !== undefined) writeAddress(writer, DATA.IP2, ip2);
  if (prefix2 !== undefined) writer.attrU8(DATA.CIDR2, prefix2);
}

function writeAddress(writer: ByteWriter, type: number, address: Ip): void {
  const nest = writer.beginNest(type | NLA_F_NESTED);
  writer.attrIp(IPADDR[address.family] | NLA_F_NET_BYTEORDER, address);
  writer.endNest(nest);
}

/** The newest revision of a type, of what TYPE tells. @throws DecodeError */
export function decodeIpSetRevision(bytes: Uint8Array): number {
  const found = parseAttributes(bytes, HEADER).find(({ type }) => type === ATTR.REVISION);
  if (!found) throw new DecodeError('a type of sets without a revision');
  return u8(found.payload);
}

/** What a message of LIST tells: of one set, of which there may be several messages. */
export interface IpSetPart {
  readonly name: string;
  /** In the first message of a set only. */
  readonly type?: string;
  readonly maxElements?: number;
  readonly entries: readonly IpSetEntry[];
}

/** @throws DecodeError */
export function decodeIpSetPart(bytes: Uint8Array): IpSetPart {
  let name: string | undefined;
  let type: string | undefined;
  let maxElements: number | undefined;
  let entries: IpSetEntry[] = [];
  for (const attribute of parseAttributes(bytes, HEADER)) {
    const { payload } = attribute;
    if (attribute.type === ATTR.SETNAME) name = text(payload);
    else if (attribute.type === ATTR.TYPENAME) type = text(payload);
    else if (attribute.type === ATTR.DATA)
      for (const one of parseAttributes(payload))
        if (one.type === DATA.MAXELEM) maxElements = u32be(one.payload);
    if (attribute.type === ATTR.ADT) entries = parseAttributes(payload).map((one) => readEntry(one.payload));
  }
  if (name === undefined) throw new DecodeError('a set without a name');
  return {
    name,
    ...(type !== undefined && { type }),
    ...(maxElements !== undefined && { maxElements }),
    entries,
  };
}

function readEntry(bytes: Uint8Array): IpSetEntry {
  const entry: { -readonly [K in keyof IpSetEntry]: IpSetEntry[K] } = {};
  for (const { type, payload } of parseAttributes(bytes)) {
    if (type === DATA.IP) entry.ip = readAddress(payload);
    else if (type === DATA.PORT) entry.port = u16be(payload);
    else if (type === DATA.PROTO) entry.protocol = u8(payload);
    else if (type === DATA.IP2) entry.ip2 = readAddress(payload);
    else if (type === DATA.CIDR2) entry.prefix2 = u8(payload);
  }
  return entry;
}

function readAddress(bytes: Uint8Array): Ip {
  const [address] = parseAttributes(bytes);
  if (!address || (address.payload.length !== 4 && address.payload.length !== 16))
    throw new DecodeError('an entry of a set with an address that is none');
  return ipFromBytes(address.payload);
}
