import type { Cidr } from '../../ip/cidr.ts';
import type { Ip } from '../../ip/ip.ts';
import { type Attribute, parseAttributes } from './attributes.ts';
import { familyNumber, ipFamily } from './constants.ts';
import { DecodeError } from './decode-error.ts';
import { cidr, ip, text, u8, u32 } from './read.ts';
import { type ByteWriter, encoded } from './wire.ts';

/** Flags of addresses, linux/if_addr.h. */
export const IFA_F = {
  SECONDARY: 0x01,
  NODAD: 0x02,
  OPTIMISTIC: 0x04,
  DADFAILED: 0x08,
  HOMEADDRESS: 0x10,
  DEPRECATED: 0x20,
  TENTATIVE: 0x40,
  PERMANENT: 0x80,
  MANAGETEMPADDR: 0x100,
  NOPREFIXROUTE: 0x200,
  MCAUTOJOIN: 0x400,
  STABLE_PRIVACY: 0x800,
} as const;

/** Where addresses and routes are valid, linux/rtnetlink.h. */
export const SCOPE = { UNIVERSE: 0, SITE: 200, LINK: 253, HOST: 254, NOWHERE: 255 } as const;

/** "For ever", as a life time in `CacheInfo`. */
export const FOREVER = 0xffff_ffff;

/** struct ifa_cacheinfo. */
export interface CacheInfo {
  /** Seconds; FOREVER. */
  readonly preferred: number;
  /** Seconds; FOREVER. */
  readonly valid: number;
  /** Hundredths of a second since boot. */
  readonly created: number;
  readonly updated: number;
}

/** An address of an interface. */
export interface Address {
  /** Index of the interface. */
  readonly index: number;
  /** The interface's own address with the length of its prefix. */
  readonly address: Cidr;
  /** The other end of a point-to-point link; then the prefix is of this one. */
  readonly peer?: Ip;
  readonly broadcast?: Ip;
  /** IPv4: the name of an alias, beginning with the interface's name. */
  readonly label?: string;
  /** One of SCOPE. */
  readonly scope: number;
  /** Bits of IFA_F. */
  readonly flags: number;
  readonly cacheInfo?: CacheInfo;
  /** Metric of the route of its prefix. */
  readonly routePriority?: number;
  /** IFAPROT_*, who made it (since Linux 5.18). */
  readonly protocol?: number;
  readonly unknown?: readonly Attribute[];
}

/** What a request says about an address. Scope defaults to universe, except host for loopback addresses. */
export type AddressSpec = Pick<Address, 'index' | 'address'> & Partial<Address>;

/** Size of struct ifaddrmsg: family u8, prefixlen u8, flags u8, scope u8, index u32 (linux/if_addr.h). */
const HEADER = 8;

/** Attributes of linux/if_addr.h. */
const IFA = {
  ADDRESS: 1,
  LOCAL: 2,
  LABEL: 3,
  BROADCAST: 4,
  CACHEINFO: 6,
  FLAGS: 8,
  RT_PRIORITY: 9,
  PROTO: 11,
} as const;

/** The payload of RTM_NEWADDR and RTM_DELADDR. */
export function encodeAddress(spec: AddressSpec): Uint8Array {
  return encoded(writeAddress, spec);
}

/** The payload of an RTM_GETADDR that lists addresses. */
export function encodeAddressFilter(filter: {
  readonly family?: 4 | 6;
  readonly index?: number;
}): Uint8Array {
  const bytes = new Uint8Array(HEADER);
  bytes[0] = filter.family === undefined ? 0 : familyNumber(filter.family);
  new DataView(bytes.buffer).setUint32(4, filter.index ?? 0, true);
  return bytes;
}

export function writeAddress(writer: ByteWriter, spec: AddressSpec): void {
  const { ip: local, prefix } = spec.address;
  const flags = spec.flags ?? 0;
  writer.u8(familyNumber(local.family));
  writer.u8(prefix);
  // The header has room for the first eight flags; from the ninth on all go into an attribute.
  writer.u8(flags > 0xff ? 0 : flags);
  writer.u8(spec.scope ?? (isLoopback(local) ? SCOPE.HOST : SCOPE.UNIVERSE));
  writer.u32(spec.index);
  writer.attrIp(IFA.LOCAL, local);
  if (flags > 0xff) writer.attrU32(IFA.FLAGS, flags);
  if (spec.broadcast !== undefined) writer.attrIp(IFA.BROADCAST, spec.broadcast);
  writer.attrIp(IFA.ADDRESS, spec.peer ?? local);
  if (spec.label !== undefined) writer.attrString(IFA.LABEL, spec.label);
  if (spec.routePriority !== undefined) writer.attrU32(IFA.RT_PRIORITY, spec.routePriority);
  if (spec.protocol !== undefined) writer.attrU8(IFA.PROTO, spec.protocol);
  if (spec.cacheInfo !== undefined) {
    const start = writer.beginNest(IFA.CACHEINFO);
    writer.u32(spec.cacheInfo.preferred);
    writer.u32(spec.cacheInfo.valid);
    writer.u32(spec.cacheInfo.created);
    writer.u32(spec.cacheInfo.updated);
    writer.endNest(start);
  }
  writer.attributes(spec.unknown);
}

/** @throws DecodeError, also for families other than IPv4 and IPv6 */
export function decodeAddress(bytes: Uint8Array): Address {
  const family = ipFamily(u8(bytes));
  const prefix = u8(bytes, 1);
  const unknown: Attribute[] = [];
  let local: Uint8Array | undefined;
  let other: Uint8Array | undefined;
  const found: { -readonly [K in keyof Address]?: Address[K] } = {
    index: u32(bytes, 4),
    scope: u8(bytes, 3),
    flags: u8(bytes, 2),
  };
  for (const attribute of parseAttributes(bytes, HEADER)) {
    const { payload } = attribute;
    switch (attribute.type) {
      case IFA.ADDRESS:
        other = payload;
        break;
      case IFA.LOCAL:
        local = payload;
        break;
      case IFA.LABEL:
        found.label = text(payload);
        break;
      case IFA.BROADCAST:
        found.broadcast = ip(payload, family);
        break;
      case IFA.CACHEINFO:
        found.cacheInfo = {
          preferred: u32(payload, 0),
          valid: u32(payload, 4),
          created: u32(payload, 8),
          updated: u32(payload, 12),
        };
        break;
      case IFA.FLAGS:
        found.flags = u32(payload);
        break;
      case IFA.RT_PRIORITY:
        found.routePriority = u32(payload);
        break;
      case IFA.PROTO:
        found.protocol = u8(payload);
        break;
      default:
        unknown.push(attribute);
    }
  }
  // IFA_LOCAL is the interface's own address; IPv6 leaves it out where there is no peer.
  const own = local ?? other;
  if (own === undefined) throw new DecodeError('an address message without an address');
  found.address = cidr(own, prefix, family);
  const peer = other === undefined ? found.address.ip : ip(other, family);
  if (peer.value !== found.address.ip.value) found.peer = peer;
  if (unknown.length > 0) found.unknown = unknown;
  return found as Address;
}

/** 127.0.0.0/8, which `ip address add` gives the scope host. */
function isLoopback(address: Ip): boolean {
  return address.family === 4 && address.value >> 24n === 127n;
}
