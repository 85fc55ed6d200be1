/** DHCPv4 messages, from bytes and to bytes (RFC 2131 section 2). Pure. */

import type { Ip } from '../../../shared/ip/ip.ts';
import { ipFromBytes, ipToBytes } from '../../../shared/ip/ip.ts';
import { OPTION } from './option-codes.ts';

export interface DhcpOption {
  readonly code: number;
  readonly data: Uint8Array;
}

/** One message. Options have each code once: what came in several parts is joined (RFC 3396). */
export interface DhcpMessage {
  /** One of BOOT. */
  readonly op: number;
  /** Hardware type, 1 for Ethernet. */
  readonly htype: number;
  readonly hops: number;
  /** Transaction: the server repeats it. */
  readonly xid: number;
  /** Seconds since the client began. */
  readonly secs: number;
  readonly flags: number;
  /** The client's address, where it has one. */
  readonly ciaddr: Ip;
  /** The address that it is given. */
  readonly yiaddr: Ip;
  readonly siaddr: Ip;
  /** The relay's address. */
  readonly giaddr: Ip;
  /** Hardware address, up to 16 bytes. */
  readonly chaddr: Uint8Array;
  readonly options: readonly DhcpOption[];
}

/** Up to and with `file`: op … chaddr (28 + 16 bytes), sname 64, file 128. */
const FIXED = 236;
const SNAME = { from: 44, to: 108 } as const;
const FILE = { from: 108, to: 236 } as const;

/** Before the options (RFC 2131 section 3). */
const COOKIE = 0x63825363;

/** Relays may drop what is shorter than BOOTP's message (RFC 1542 section 2.1). */
const LEAST = 300;

/** Bytes that one part of an option holds. */
const PART = 255;

export const NO_IP: Ip = { family: 4, value: 0n };

/** The bytes of a message, padded to 300. @throws RangeError for a hardware address of more than 16 bytes */
export function encodeMessage(message: DhcpMessage): Uint8Array {
  const options = encodeOptions(message.options);
  const bytes = new Uint8Array(Math.max(LEAST, FIXED + 4 + options.length));
  const view = new DataView(bytes.buffer);
  if (message.chaddr.length > 16) throw new RangeError('a hardware address has 16 bytes at most');
  bytes[0] = message.op;
  bytes[1] = message.htype;
  bytes[2] = message.chaddr.length;
  bytes[3] = message.hops;
  view.setUint32(4, message.xid);
  view.setUint16(8, message.secs);
  view.setUint16(10, message.flags);
  bytes.set(ipToBytes(message.ciaddr), 12);
  bytes.set(ipToBytes(message.yiaddr), 16);
  bytes.set(ipToBytes(message.siaddr), 20);
  bytes.set(ipToBytes(message.giaddr), 24);
  bytes.set(message.chaddr, 28);
  view.setUint32(FIXED, COOKIE);
  bytes.set(options, FIXED + 4);
  return bytes;
}

function encodeOptions(options: readonly DhcpOption[]): Uint8Array {
  const bytes: number[] = [];
  for (const { code, data } of options) {
    let at = 0;
    do {
      const part = data.subarray(at, at + PART);
      bytes.push(code, part.length, ...part);
      at += PART;
    } while (at < data.length);
  }
  bytes.push(OPTION.END);
  return Uint8Array.from(bytes);
}

/** Reads a message; undefined for what is none, or is cut off. The values are copies. */
export function decodeMessage(bytes: Uint8Array): DhcpMessage | undefined {
  if (bytes.length < FIXED + 4) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(FIXED) !== COOKIE) return undefined;
  const options = decodeOptions(bytes);
  if (!options) return undefined;
  const length = Math.min(bytes[2] ?? 0, 16);
  const ip = (at: number): Ip => ipFromBytes(bytes.subarray(at, at + 4));
  return {
    op: bytes[0] ?? 0,
    htype: bytes[1] ?? 0,
    hops: bytes[3] ?? 0,
    xid: view.getUint32(4),
    secs: view.getUint16(8),
    flags: view.getUint16(10),
    ciaddr: ip(12),
    yiaddr: ip(16),
    siaddr: ip(20),
    giaddr: ip(24),
    chaddr: bytes.slice(28, 28 + length),
    options,
  };
}

/** The options' own field, then `file` and `sname` where option 52 says that they hold more (RFC 2132 section 9.3). */
function decodeOptions(bytes: Uint8Array): DhcpOption[] | undefined {
  const parts = new Map<number, Uint8Array[]>();
  if (!collect(bytes.subarray(FIXED + 4), parts)) return undefined;
  const overload = parts.get(OPTION.OVERLOAD)?.[0]?.[0] ?? 0;
  if (overload & 1 && !collect(bytes.subarray(FILE.from, FILE.to), parts)) return undefined;
  if (overload & 2 && !collect(bytes.subarray(SNAME.from, SNAME.to), parts)) return undefined;
  parts.delete(OPTION.OVERLOAD);
  return [...parts].map(([code, pieces]) => ({ code, data: join(pieces) }));
}

/** False when an option goes beyond the end. */
function collect(field: Uint8Array, parts: Map<number, Uint8Array[]>): boolean {
  for (let at = 0; at < field.length; ) {
    const code = field[at++] ?? 0;
    if (code === OPTION.END) return true;
    if (code === OPTION.PAD) continue;
    const length = field[at++];
    if (length === undefined || at + length > field.length) return false;
    const piece = field.subarray(at, at + length);
    const known = parts.get(code);
    if (known) known.push(piece);
    else parts.set(code, [piece]);
    at += length;
  }
  return true;
}

function join(pieces: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    joined.set(piece, at);
    at += piece.length;
  }
  return joined;
}
