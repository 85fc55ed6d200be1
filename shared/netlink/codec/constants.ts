import { DecodeError } from './decode-error.ts';

/* Numbers that several rtnetlink codecs share. Each is named as in the header it is from. */

/** Address families, linux/socket.h. BRIDGE marks messages about bridge ports and forwarding tables. */
export const AF = { UNSPEC: 0, INET: 2, BRIDGE: 7, INET6: 10 } as const;

/** Message types, linux/rtnetlink.h. */
export const RTM = {
  NEWLINK: 16,
  DELLINK: 17,
  GETLINK: 18,
  SETLINK: 19,
  NEWADDR: 20,
  DELADDR: 21,
  GETADDR: 22,
  NEWROUTE: 24,
  DELROUTE: 25,
  GETROUTE: 26,
  NEWNEIGH: 28,
  DELNEIGH: 29,
  GETNEIGH: 30,
  NEWRULE: 32,
  DELRULE: 33,
  GETRULE: 34,
  NEWQDISC: 36,
  DELQDISC: 37,
  GETQDISC: 38,
  NEWTFILTER: 44,
  DELTFILTER: 45,
  GETTFILTER: 46,
} as const;

/** Multicast groups, enum rtnetlink_groups in linux/rtnetlink.h, for the monitor. */
export const RTNLGRP = {
  LINK: 1,
  NOTIFY: 2,
  NEIGH: 3,
  IPV4_IFADDR: 5,
  IPV4_ROUTE: 7,
  IPV4_RULE: 8,
  IPV6_IFADDR: 9,
  IPV6_ROUTE: 11,
  IPV6_RULE: 19,
} as const;

/** The family byte of an address of IPv4 or IPv6. */
export function familyNumber(family: 4 | 6): number {
  return family === 4 ? AF.INET : AF.INET6;
}

/** The family that a header's family byte names. @throws DecodeError when it is neither IPv4 nor IPv6 */
export function ipFamily(family: number): 4 | 6 {
  if (family === AF.INET) return 4;
  if (family === AF.INET6) return 6;
  throw new DecodeError(`address family ${family} is neither IPv4 nor IPv6`);
}
