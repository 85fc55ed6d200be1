import type { Cidr } from '../../ip/cidr.ts';
import type { Ip } from '../../ip/ip.ts';
import type { Attribute } from './attributes.ts';

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

export function encodeAddress(spec: AddressSpec): Uint8Array {
  throw new Error(`not built yet: ${JSON.stringify(Object.keys(spec))}`);
}

export function decodeAddress(bytes: Uint8Array): Address {
  throw new Error(`not built yet: ${JSON.stringify(Object.keys(bytes))}`);
}

export function encodeAddressFilter(filter: {
  readonly family?: 4 | 6;
  readonly index?: number;
}): Uint8Array {
  throw new Error(`not built yet: ${JSON.stringify(Object.keys(filter))}`);
}
