import { formatIp } from '../../ip/ip.ts';
import { formatMac } from '../../ip/mac.ts';
import { AF, familyNumber, RTM } from '../codec/constants.ts';
import { encodeFdb, type FdbSpec } from '../codec/fdb.ts';
import { NLM_F } from '../codec/message.ts';
import { encodeNeighbourFilter } from '../codec/ndmsg.ts';
import { encodeNeighbour, type NeighbourSpec } from '../codec/neighbour.ts';
import type { NetlinkRequest } from '../request.ts';

/** Adds a neighbour. EEXIST when there is one for the address. */
export function newNeighbour(spec: NeighbourSpec): NetlinkRequest {
  return neighbour(RTM.NEWNEIGH, NLM_F.CREATE | NLM_F.EXCL, 'add', spec);
}

/** Adds a neighbour or changes the one there is. */
export function replaceNeighbour(spec: NeighbourSpec): NetlinkRequest {
  return neighbour(RTM.NEWNEIGH, NLM_F.CREATE | NLM_F.REPLACE, 'replace', spec);
}

/** Deletes a neighbour. ENOENT when there is none. */
export function delNeighbour(spec: NeighbourSpec): NetlinkRequest {
  return neighbour(RTM.DELNEIGH, 0, 'delete', { state: 0, ...spec });
}

/** Asks for the neighbours of a family, on one interface if given. For `dump`. */
export function dumpNeighbours(family: 4 | 6, filter: { readonly index?: number } = {}): NetlinkRequest {
  const payload = encodeNeighbourFilter(familyNumber(family), filter);
  return { type: RTM.GETNEIGH, flags: NLM_F.DUMP, payload, what: 'list neighbours' };
}

/** Adds a forwarding entry. EEXIST when there is one for the MAC. */
export function addFdb(spec: FdbSpec): NetlinkRequest {
  return fdb(RTM.NEWNEIGH, NLM_F.CREATE | NLM_F.EXCL, 'add', spec);
}

/** VXLAN: adds one more destination for the MAC (all zeros: where to flood). */
export function appendFdb(spec: FdbSpec): NetlinkRequest {
  return fdb(RTM.NEWNEIGH, NLM_F.CREATE | NLM_F.APPEND, 'append', spec);
}

/** Adds a forwarding entry or changes the one there is. */
export function replaceFdb(spec: FdbSpec): NetlinkRequest {
  return fdb(RTM.NEWNEIGH, NLM_F.CREATE | NLM_F.REPLACE, 'replace', spec);
}

/** Deletes a forwarding entry. ENOENT when there is none. */
export function delFdb(spec: FdbSpec): NetlinkRequest {
  return fdb(RTM.DELNEIGH, 0, 'delete', spec);
}

/** Asks for forwarding entries: all, of one port or VXLAN device (`index`), of one bridge (`master`). For `dump`. */
export function dumpFdb(filter: { readonly index?: number; readonly master?: number } = {}): NetlinkRequest {
  const payload = encodeNeighbourFilter(AF.BRIDGE, filter);
  return { type: RTM.GETNEIGH, flags: NLM_F.DUMP, payload, what: 'list forwarding entries' };
}

function neighbour(type: number, flags: number, verb: string, spec: NeighbourSpec): NetlinkRequest {
  const what = (): string => `${verb} neighbour ${formatIp(spec.ip)} on link number ${spec.index}`;
  return { type, flags, payload: encodeNeighbour(spec), what };
}

function fdb(type: number, flags: number, verb: string, spec: FdbSpec): NetlinkRequest {
  const what = (): string => `${verb} forwarding entry ${formatMac(spec.mac)} on link number ${spec.index}`;
  return { type, flags, payload: encodeFdb(spec), what };
}
