/**
 * Flows that the kernel tracks (nfnetlink's subsystem ctnetlink): as much as it takes to find some and delete them. Pure.
 *
 * Numbers: linux/netfilter/nfnetlink.h and nfnetlink_conntrack.h.
 */

import type { Ip } from '../../ip/ip.ts';
import { ipFromBytes } from '../../ip/ip.ts';
import type { NetlinkRequest } from '../request.ts';
import { NLA_F_NESTED, parseAttributes } from './attributes.ts';
import { NLM_F } from './message.ts';
import { u8, u16be } from './read.ts';
import { ByteWriter } from './wire.ts';

/** NFNL_SUBSYS_CTNETLINK in the upper byte; IPCTNL_MSG_CT_GET, IPCTNL_MSG_CT_DELETE. */
const GET = 0x101;
const DELETE = 0x102;

/** Size of struct nfgenmsg: family u8, version u8, resource id be16. */
const HEADER = 4;

/** CTA_*, CTA_TUPLE_*, CTA_IP_* and CTA_PROTO_*. */
const TUPLE_ORIG = 1;
const TUPLE_REPLY = 2;
/** CTA_FILTER (since Linux 5.8; before, it is passed over) and CTA_FILTER_ORIG_FLAGS. */
const FILTER = 25;
const FILTER_ORIGINAL = 1;
/** CTA_FILTER_F_CTA_PROTO_NUM of the kernel's net/netfilter/nf_internals.h. */
const FILTER_BY_PROTOCOL = 1 << 3;
const TUPLE_IP = 1;
const TUPLE_PROTO = 2;
const IP_SOURCE = { 4: 1, 6: 3 } as const;
const IP_TARGET = { 4: 2, 6: 4 } as const;
const PROTO_NUMBER = 1;
const PROTO_SOURCE_PORT = 2;
const PROTO_TARGET_PORT = 3;

const FAMILY = { 4: 2, 6: 10 } as const;

/** One direction of a flow. */
export interface Tuple {
  readonly source: Ip;
  readonly target: Ip;
  /** IPPROTO_* of linux/in.h. */
  readonly protocol: number;
  /** Undefined where the protocol has no ports. */
  readonly sourcePort: number | undefined;
  readonly targetPort: number | undefined;
}

/** A flow: as its first packet was, and as answers to it are, which tells what was translated. */
export interface Flow {
  readonly family: 4 | 6;
  readonly original: Tuple;
  readonly reply: Tuple;
  /** The attribute that names the flow in a deletion, as the kernel wrote it. */
  readonly originalBytes: Uint8Array;
}

/**
 * Asks for all flows of a family. For `dump`.
 *
 * @param protocol IPPROTO_* of linux/in.h: only these, where the kernel can choose; look at what comes all the same
 */
export function dumpFlows(family: 4 | 6, protocol?: number): NetlinkRequest {
  const writer = header(family);
  if (protocol !== undefined) {
    const tuple = writer.beginNest(TUPLE_ORIG);
    const number = writer.beginNest(TUPLE_PROTO);
    writer.attrU8(PROTO_NUMBER, protocol);
    writer.endNest(number);
    writer.endNest(tuple);
    const filter = writer.beginNest(FILTER | NLA_F_NESTED);
    writer.attrU32(FILTER_ORIGINAL, FILTER_BY_PROTOCOL);
    writer.endNest(filter);
  }
  return { type: GET, flags: NLM_F.DUMP, payload: writer.toBytes(), what: 'list flows' };
}

/** Deletes a flow. ENOENT when it has ended. */
export function deleteFlow({ family, originalBytes }: Flow): NetlinkRequest {
  const writer = header(family);
  const nest = writer.beginNest(TUPLE_ORIG);
  writer.bytes(originalBytes);
  writer.endNest(nest);
  return { type: DELETE, flags: 0, payload: writer.toBytes(), what: 'delete a flow' };
}

function header(family: 4 | 6): ByteWriter {
  const writer = new ByteWriter(64);
  writer.u8(FAMILY[family]);
  writer.u8(0);
  writer.u16(0);
  return writer;
}

/** Reads the payload of a listed flow; undefined for one of another family or without its two directions. */
export function decodeFlow(payload: Uint8Array): Flow | undefined {
  const number = u8(payload);
  const family = number === FAMILY[4] ? 4 : number === FAMILY[6] ? 6 : undefined;
  if (family === undefined) return undefined;
  let original: Uint8Array | undefined;
  let reply: Uint8Array | undefined;
  for (const { type, payload: value } of parseAttributes(payload.subarray(HEADER))) {
    if (type === TUPLE_ORIG) original = value;
    else if (type === TUPLE_REPLY) reply = value;
  }
  const [there, back] = [original && decodeTuple(original, family), reply && decodeTuple(reply, family)];
  if (!original || !there || !back) return undefined;
  return { family, original: there, reply: back, originalBytes: original };
}

function decodeTuple(bytes: Uint8Array, family: 4 | 6): Tuple | undefined {
  let source: Ip | undefined;
  let target: Ip | undefined;
  let protocol: number | undefined;
  let sourcePort: number | undefined;
  let targetPort: number | undefined;
  for (const part of parseAttributes(bytes)) {
    for (const { type, payload } of part.type === TUPLE_IP || part.type === TUPLE_PROTO
      ? parseAttributes(part.payload)
      : []) {
      if (part.type === TUPLE_IP) {
        if (type === IP_SOURCE[family]) source = ipFromBytes(payload);
        else if (type === IP_TARGET[family]) target = ipFromBytes(payload);
      } else if (type === PROTO_NUMBER) protocol = u8(payload);
      else if (type === PROTO_SOURCE_PORT) sourcePort = u16be(payload);
      else if (type === PROTO_TARGET_PORT) targetPort = u16be(payload);
    }
  }
  if (!source || !target || protocol === undefined) return undefined;
  return { source, target, protocol, sourcePort, targetPort };
}
