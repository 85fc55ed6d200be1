import type { BridgePort } from '../codec/bridge-port.ts';
import type { BridgeVlan } from '../codec/bridge-vlan.ts';
import { AF, RTM } from '../codec/constants.ts';
import { encodeLink, type LinkSpec } from '../codec/link.ts';
import { NLM_F } from '../codec/message.ts';
import type { NetlinkRequest } from '../request.ts';

/** How a link is found: by its index, or by its name where there is no index. */
export type LinkKey = { readonly index: number } | { readonly name: string };

/** IFLA_EXT_MASK bits, linux/rtnetlink.h: the VLANs of ports in short form; leave the counters out. */
const FILTER_VLANS_COMPRESSED = 4;
const FILTER_SKIP_STATS = 8;

/**
 * Creates a link. EEXIST when the name is taken. The kernel ignores an alias and options of a bridge port here without
 * a word: they need a `setLink` after it, which may go by the name in the same transaction.
 */
export function newLink(spec: LinkSpec): NetlinkRequest {
  return {
    type: RTM.NEWLINK,
    flags: NLM_F.CREATE | NLM_F.EXCL,
    payload: encodeLink(spec),
    what: () => `add link ${nameOf(spec)}`,
  };
}

/** Changes a link found by `index`, or by `name` where there is no index. ENODEV when it does not exist. */
export function setLink(spec: LinkSpec): NetlinkRequest {
  return {
    type: RTM.NEWLINK,
    flags: 0,
    payload: encodeLink(spec),
    what: () => `change link ${nameOf(spec)}`,
  };
}

/** Deletes a link; the kernel takes its addresses, routes and neighbours with it. ENODEV when it does not exist. */
export function delLink(key: LinkKey): NetlinkRequest {
  return { type: RTM.DELLINK, flags: 0, payload: encodeLink(key), what: () => `delete link ${nameOf(key)}` };
}

/**
 * Deletes all links of a group (IFLA_GROUP) of the namespace together, whoever put them there. ENODEV when there is none.
 * The kernel waits once for all, where single deletions take 10 to 40 ms each.
 */
export function delLinkGroup(group: number): NetlinkRequest {
  return {
    type: RTM.DELLINK,
    flags: 0,
    payload: encodeLink({ group }),
    what: () => `delete links of group ${group}`,
  };
}

/** Asks for one link. ENODEV when it does not exist. */
export function getLink(key: LinkKey): NetlinkRequest {
  return {
    type: RTM.GETLINK,
    flags: 0,
    payload: encodeLink({ ...key, extMask: FILTER_SKIP_STATS }),
    replies: true,
    what: () => `get link ${nameOf(key)}`,
  };
}

/** Asks for all links, or the ports of one bridge, or those of one kind. For `dump`. */
export function dumpLinks(filter: { readonly master?: number; readonly kind?: string } = {}): NetlinkRequest {
  const { master, kind } = filter;
  const payload = encodeLink({
    extMask: FILTER_SKIP_STATS,
    ...(master === undefined ? {} : { master }),
    ...(kind === undefined ? {} : { kind: { kind: 'other', name: kind } }),
  });
  return { type: RTM.GETLINK, flags: NLM_F.DUMP, payload, what: 'list links' };
}

/** Asks for all bridge ports with their `port` options and `vlans`. For `dump`. */
export function dumpBridgePorts(): NetlinkRequest {
  const payload = encodeLink({ family: AF.BRIDGE, extMask: FILTER_VLANS_COMPRESSED });
  return { type: RTM.GETLINK, flags: NLM_F.DUMP, payload, what: 'list bridge ports' };
}

/** Changes the options of a bridge port. */
export function setBridgePort(index: number, port: BridgePort): NetlinkRequest {
  return {
    type: RTM.SETLINK,
    flags: 0,
    payload: encodeLink({ family: AF.BRIDGE, index, port }),
    what: () => `set bridge port ${index}`,
  };
}

/** Adds VLANs to a bridge port. */
export function addBridgeVlans(index: number, vlans: readonly BridgeVlan[]): NetlinkRequest {
  return {
    type: RTM.SETLINK,
    flags: 0,
    payload: encodeLink({ family: AF.BRIDGE, index, vlans }),
    what: () => `add VLANs to bridge port ${index}`,
  };
}

/** Removes VLANs from a bridge port. */
export function delBridgeVlans(index: number, vlans: readonly BridgeVlan[]): NetlinkRequest {
  return {
    type: RTM.DELLINK,
    flags: 0,
    payload: encodeLink({ family: AF.BRIDGE, index, vlans }),
    what: () => `remove VLANs from bridge port ${index}`,
  };
}

function nameOf(spec: LinkSpec): string {
  return spec.name ?? (spec.index === undefined ? '(unnamed)' : `number ${spec.index}`);
}
