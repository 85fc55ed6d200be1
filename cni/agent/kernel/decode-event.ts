/**
 * From multicast messages to events. A node full of pods makes thousands of them that are none of the agent's
 * business, so only fixed header fields and one or two attributes are read. Pure.
 *
 * Layouts: include/uapi/linux/rtnetlink.h (ifinfomsg, ifaddrmsg, rtmsg), neighbour.h (ndmsg), netconf.h,
 * netfilter/nfnetlink.h and netfilter/nf_tables.h.
 */

import type { Cidr } from '../../../shared/ip/cidr.ts';
import { type Ip, ipFromBytes } from '../../../shared/ip/ip.ts';
import { SCOPE } from '../../../shared/netlink/codec/address.ts';
import { attributeOf } from '../../../shared/netlink/codec/attribute-of.ts';
import { AF, RTM, RTNLGRP } from '../../../shared/netlink/codec/constants.ts';
import type { NlMessage } from '../../../shared/netlink/codec/message.ts';
import { i32, text, u8, u32 } from '../../../shared/netlink/codec/read.ts';
import { RT_TABLE } from '../../../shared/netlink/codec/route.ts';
import { familyOf } from '../../../shared/nftables/model/family.ts';
import type { KernelEvent } from './event.ts';

const RTM_NEWNETCONF = 80;
const RTNLGRP_IPV4_NETCONF = 24;
const RTNLGRP_IPV6_NETCONF = 25;
const NETCONFA_IFINDEX = 1;
const NETCONFA_FORWARDING = 2;
const NETCONFA_RP_FILTER = 3;

/** The groups whose messages `decodeRouteEvent` understands. */
export const ROUTE_GROUPS: readonly number[] = [
  RTNLGRP.LINK,
  RTNLGRP.NEIGH,
  RTNLGRP.IPV4_IFADDR,
  RTNLGRP.IPV4_ROUTE,
  RTNLGRP.IPV6_IFADDR,
  RTNLGRP.IPV6_ROUTE,
  RTNLGRP_IPV4_NETCONF,
  RTNLGRP_IPV6_NETCONF,
];

const IFLA_IFNAME = 3;
const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_TABLE = 15;

/** An event of the routing groups; `undefined` for what never matters. */
export function decodeRouteEvent({ type, payload }: NlMessage): KernelEvent | undefined {
  switch (type) {
    case RTM.NEWLINK:
    case RTM.DELLINK: {
      const name = attributeOf(payload, 16, IFLA_IFNAME);
      // The bridge's view of its ports says nothing that the link itself does not.
      if (u8(payload) === AF.BRIDGE) return undefined;
      return { kind: 'link', index: i32(payload, 4), name: name ? text(name) : '' };
    }
    case RTM.NEWADDR:
      // The kernel gives every device one for the link, and a node gets a device with every pod.
      if (u8(payload) === AF.INET6 && u8(payload, 3) === SCOPE.LINK) return undefined;
      return { kind: 'address', index: i32(payload, 4), family: u8(payload) === AF.INET ? 4 : 6 };
    case RTM.DELADDR:
      return { kind: 'address', index: i32(payload, 4), family: u8(payload) === AF.INET ? 4 : 6 };
    case RTM.NEWNEIGH:
    case RTM.DELNEIGH:
      return { kind: 'neighbour', index: i32(payload, 4) };
    case RTM.NEWROUTE:
    case RTM.DELROUTE: {
      const device = attributeOf(payload, 12, RTA_OIF);
      const wide = attributeOf(payload, 12, RTA_TABLE);
      const table = wide ? u32(wide) : u8(payload, 4);
      if (table === RT_TABLE.LOCAL) return undefined;
      const destination: Cidr = { ip: destinationOf(payload), prefix: u8(payload, 1) };
      return { kind: 'route', destination, device: device ? i32(device) : 0, protocol: u8(payload, 5) };
    }
    case RTM_NEWNETCONF: {
      const index = attributeOf(payload, 4, NETCONFA_IFINDEX);
      const concerns =
        attributeOf(payload, 4, NETCONFA_FORWARDING) || attributeOf(payload, 4, NETCONFA_RP_FILTER);
      if (!index || !concerns) return undefined;
      return { kind: 'forwarding', family: u8(payload) === AF.INET ? 4 : 6, index: i32(index) };
    }
    default:
      return undefined;
  }
}

/** A default route carries no address. */
function destinationOf(payload: Uint8Array): Ip {
  const family = u8(payload) === AF.INET ? 4 : 6;
  const bytes = attributeOf(payload, 12, RTA_DST);
  return bytes?.length === (family === 4 ? 4 : 16) ? ipFromBytes(bytes) : { family, value: 0n };
}

/** NFNLGRP_NFTABLES of netfilter/nfnetlink.h. */
export const NFTABLES_GROUP = 7;
const NFNL_SUBSYS_NFTABLES = 10;
const NFT_MSG = { NEWTABLE: 0, DELTABLE: 2, NEWCHAIN: 3, DELCHAIN: 5, NEWRULE: 6, DELRULE: 8 } as const;
/** NFTA_TABLE_NAME, NFTA_CHAIN_TABLE and NFTA_RULE_TABLE are all 1. */
const NFTA_TABLE = 1;
const NFTA_CHAIN_NAME = 3;
const NFTA_CHAIN_HOOK = 4;
const NFTA_RULE_CHAIN = 2;

/** An event of the nf_tables group; sets and their elements never matter here. */
export function decodeNftablesEvent({ type, payload }: NlMessage): KernelEvent | undefined {
  if (type >> 8 !== NFNL_SUBSYS_NFTABLES) return undefined;
  const message = type & 0xff;
  if (message > NFT_MSG.DELRULE) return undefined;
  const family = familyOf(u8(payload));
  const table = attributeOf(payload, 4, NFTA_TABLE);
  if (!family || !table) return undefined;
  const isChain = message === NFT_MSG.NEWCHAIN || message === NFT_MSG.DELCHAIN;
  const isRule = message === NFT_MSG.NEWRULE || message === NFT_MSG.DELRULE;
  const chain =
    isChain || isRule ? attributeOf(payload, 4, isChain ? NFTA_CHAIN_NAME : NFTA_RULE_CHAIN) : undefined;
  const isBaseChain = isChain && attributeOf(payload, 4, NFTA_CHAIN_HOOK) !== undefined;
  return {
    kind: 'nftables',
    family,
    table: text(table),
    ...(chain && { chain: text(chain) }),
    ...(isBaseChain && { isBaseChain }),
  };
}
