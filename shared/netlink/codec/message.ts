import { type Attribute, parseAttributes } from './attributes.ts';
import { DecodeError } from './decode-error.ts';
import { i32, text, u16, u32 } from './read.ts';
import { ByteWriter } from './wire.ts';

/** Netlink protocols, the third argument of socket(2) (linux/netlink.h). */
export const NETLINK = { ROUTE: 0, SOCK_DIAG: 4, XFRM: 6, NETFILTER: 12, GENERIC: 16 } as const;

/** Message types that every netlink family shares (linux/netlink.h). */
export const NLMSG = { NOOP: 1, ERROR: 2, DONE: 3, OVERRUN: 4 } as const;

/** Bits of nlmsg_flags (linux/netlink.h); several mean different things for GET, NEW, DEL and answers. */
export const NLM_F = {
  REQUEST: 0x01,
  MULTI: 0x02,
  ACK: 0x04,
  ECHO: 0x08,
  /** On answers: the table changed while it was dumped. */
  DUMP_INTR: 0x10,
  DUMP_FILTERED: 0x20,
  /** GET: the whole table (ROOT | MATCH). */
  DUMP: 0x300,
  /** NEW */
  REPLACE: 0x100,
  EXCL: 0x200,
  CREATE: 0x400,
  APPEND: 0x800,
  /** DEL */
  NONREC: 0x100,
  BULK: 0x200,
  /** On an acknowledgement: the request's payload was left out. */
  CAPPED: 0x100,
  /** On an acknowledgement or DONE: extended attributes follow. */
  ACK_TLVS: 0x200,
} as const;

/** Size of struct nlmsghdr. */
export const HEADER_SIZE = 16;

export interface NlMessage {
  readonly type: number;
  readonly flags: number;
  readonly seq: number;
  /** Port id of the socket it is for or from; the kernel's is 0. */
  readonly pid: number;
  readonly payload: Uint8Array;
}

/** Appends a message to `writer`. */
export function writeMessage(
  writer: ByteWriter,
  type: number,
  flags: number,
  seq: number,
  pid: number,
  payload: Uint8Array,
): void {
  writer.u32(HEADER_SIZE + payload.length);
  writer.u16(type);
  writer.u16(flags);
  writer.u32(seq);
  writer.u32(pid);
  writer.bytes(payload);
  writer.align();
}

export function encodeMessage(message: NlMessage): Uint8Array {
  const writer = new ByteWriter(HEADER_SIZE + message.payload.length + 3);
  writeMessage(writer, message.type, message.flags, message.seq, message.pid, message.payload);
  return writer.toBytes();
}

/**
 * Takes a datagram apart into messages. Payloads are views of `bytes`.
 * @throws DecodeError for a message that is shorter than its header or longer than what is left.
 */
export function decodeMessages(bytes: Uint8Array): NlMessage[] {
  const messages: NlMessage[] = [];
  let at = 0;
  while (bytes.length - at >= HEADER_SIZE) {
    const length = u32(bytes, at);
    if (length < HEADER_SIZE || length > bytes.length - at) {
      throw new DecodeError(`message at byte ${at} claims ${length} of ${bytes.length - at} bytes`);
    }
    messages.push({
      type: u16(bytes, at + 4),
      flags: u16(bytes, at + 6),
      seq: u32(bytes, at + 8),
      pid: u32(bytes, at + 12),
      payload: bytes.subarray(at + HEADER_SIZE, at + length),
    });
    at += (length + 3) & ~3;
  }
  return messages;
}

/** What the kernel says about a request: an acknowledgement when `errno` is 0, else the reason of the refusal. */
export interface Acknowledgement {
  /** Positive errno, or 0 for success. */
  readonly errno: number;
  /** NLMSGERR_ATTR_MSG: a sentence; on success it is a warning. */
  readonly message?: string;
  /** NLMSGERR_ATTR_OFFS: where in the request, counted from its header, the attribute at fault starts. */
  readonly offset?: number;
  /** NLMSGERR_ATTR_MISS_TYPE: type of an attribute that the request should have had. */
  readonly missingType?: number;
  /** NLMSGERR_ATTR_MISS_NEST: offset of the nest that it is missing from; absent for the top level. */
  readonly missingNest?: number;
  readonly unknown: readonly Attribute[];
}

/** Extended attributes of acknowledgements, enum nlmsgerr_attrs in linux/netlink.h. */
const ATTR_MSG = 1;
const ATTR_OFFS = 2;
const ATTR_MISS_TYPE = 5;
const ATTR_MISS_NEST = 6;

/**
 * Reads an NLMSG_ERROR message (which is also the acknowledgement) or the NLMSG_DONE that ends a dump.
 * @throws DecodeError when it is truncated.
 */
export function decodeError(message: NlMessage): Acknowledgement {
  const { payload } = message;
  // A DONE without a number ends a dump that went well.
  const errno = message.type === NLMSG.DONE && payload.length < 4 ? 0 : -i32(payload) | 0;
  if ((message.flags & NLM_F.ACK_TLVS) === 0 || payload.length < 4) return { errno, unknown: [] };
  // ERROR: the errno is followed by the request, its payload only when it was not capped. DONE has no copy of it.
  let start = 4;
  if (message.type === NLMSG.ERROR) {
    const request = (message.flags & NLM_F.CAPPED) !== 0 ? HEADER_SIZE : u32(payload, 4);
    if (request > payload.length - start) {
      throw new DecodeError(`an acknowledgement of ${payload.length} bytes claims to repeat ${request}`);
    }
    start += (request + 3) & ~3;
  }
  const unknown: Attribute[] = [];
  const found: { -readonly [K in keyof Acknowledgement]: Acknowledgement[K] } = { errno, unknown };
  for (const attribute of parseAttributes(payload, start)) {
    switch (attribute.type) {
      case ATTR_MSG:
        found.message = text(attribute.payload);
        break;
      case ATTR_OFFS:
        found.offset = u32(attribute.payload);
        break;
      case ATTR_MISS_TYPE:
        found.missingType = u32(attribute.payload);
        break;
      case ATTR_MISS_NEST:
        found.missingNest = u32(attribute.payload);
        break;
      default:
        unknown.push(attribute);
    }
  }
  return found;
}
