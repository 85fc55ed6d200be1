import type { Cidr } from '../../ip/cidr.ts';
import type { Ip } from '../../ip/ip.ts';
import { type Attribute, NLA_F_NESTED, parseAttributes } from './attributes.ts';
import { familyNumber, ipFamily } from './constants.ts';
import { DecodeError } from './decode-error.ts';
import { cidr, ip, u8, u16, u16be, u32, u64 } from './read.ts';
import type { ByteWriter } from './wire.ts';

/** Flags of a peer in a request (linux/wireguard.h). */
export const WGPEER_F = { REMOVE_ME: 1, REPLACE_ALLOWEDIPS: 2, UPDATE_ONLY: 4 } as const;

/** An address and a UDP port. */
export interface WireguardEndpoint {
  readonly ip: Ip;
  readonly port: number;
}

/** A peer of a WireGuard device. */
export interface WireguardPeer {
  readonly publicKey: Uint8Array;
  /** All zeros: none. */
  readonly presharedKey?: Uint8Array;
  /** Bits of WGPEER_F. */
  readonly flags?: number;
  readonly endpoint?: WireguardEndpoint;
  /** Seconds; 0: off. */
  readonly keepalive?: number;
  /** Milliseconds since 1970; 0: none yet. */
  readonly lastHandshake?: number;
  readonly rxBytes?: bigint;
  readonly txBytes?: bigint;
  readonly allowedIps?: readonly Cidr[];
  readonly protocolVersion?: number;
  readonly unknown?: readonly Attribute[];
}

/** Attributes WGPEER_A_* and WGALLOWEDIP_A_* of linux/wireguard.h. */
export const WGPEER_A = {
  PUBLIC_KEY: 1,
  PRESHARED_KEY: 2,
  FLAGS: 3,
  ENDPOINT: 4,
  KEEPALIVE: 5,
  LAST_HANDSHAKE: 6,
  RX_BYTES: 7,
  TX_BYTES: 8,
  ALLOWED_IPS: 9,
  PROTOCOL_VERSION: 10,
} as const;
const ALLOWED = { FAMILY: 1, ADDRESS: 2, MASK: 3 } as const;

/** Writes a peer's attributes, in the order in which `wg` sends them. */
export function writePeer(writer: ByteWriter, peer: WireguardPeer): void {
  writer.attr(WGPEER_A.PUBLIC_KEY, peer.publicKey);
  if (peer.presharedKey !== undefined) writer.attr(WGPEER_A.PRESHARED_KEY, peer.presharedKey);
  if (peer.endpoint !== undefined) writeEndpoint(writer, peer.endpoint);
  if (peer.keepalive !== undefined) writer.attrU16(WGPEER_A.KEEPALIVE, peer.keepalive);
  if (peer.lastHandshake !== undefined) {
    // struct __kernel_timespec: seconds and nanoseconds, s64 both.
    const start = writer.beginNest(WGPEER_A.LAST_HANDSHAKE);
    writer.u64(BigInt(Math.floor(peer.lastHandshake / 1000)));
    writer.u64(BigInt(peer.lastHandshake % 1000) * 1_000_000n);
    writer.endNest(start);
  }
  if (peer.rxBytes !== undefined) writer.attrU64(WGPEER_A.RX_BYTES, peer.rxBytes);
  if (peer.txBytes !== undefined) writer.attrU64(WGPEER_A.TX_BYTES, peer.txBytes);
  if (peer.protocolVersion !== undefined) writer.attrU32(WGPEER_A.PROTOCOL_VERSION, peer.protocolVersion);
  if (peer.flags !== undefined) writer.attrU32(WGPEER_A.FLAGS, peer.flags);
  if (peer.allowedIps !== undefined) writeAllowedIps(writer, peer.allowedIps);
  writer.attributes(peer.unknown);
}

/** @throws DecodeError, also when it has no key */
export function readPeer(bytes: Uint8Array): WireguardPeer {
  const peer: { -readonly [K in keyof WireguardPeer]?: WireguardPeer[K] } = {};
  const unknown: Attribute[] = [];
  for (const attribute of parseAttributes(bytes)) {
    const { payload } = attribute;
    switch (attribute.type) {
      case WGPEER_A.PUBLIC_KEY:
        peer.publicKey = payload;
        break;
      case WGPEER_A.PRESHARED_KEY:
        peer.presharedKey = payload;
        break;
      case WGPEER_A.FLAGS:
        peer.flags = u32(payload);
        break;
      case WGPEER_A.ENDPOINT:
        peer.endpoint = readEndpoint(payload);
        break;
      case WGPEER_A.KEEPALIVE:
        peer.keepalive = u16(payload);
        break;
      case WGPEER_A.LAST_HANDSHAKE:
        peer.lastHandshake = Number(u64(payload)) * 1000 + Math.floor(Number(u64(payload, 8)) / 1_000_000);
        break;
      case WGPEER_A.RX_BYTES:
        peer.rxBytes = u64(payload);
        break;
      case WGPEER_A.TX_BYTES:
        peer.txBytes = u64(payload);
        break;
      case WGPEER_A.ALLOWED_IPS:
        peer.allowedIps = parseAttributes(payload).map((one) => readAllowedIp(one.payload));
        break;
      case WGPEER_A.PROTOCOL_VERSION:
        peer.protocolVersion = u32(payload);
        break;
      default:
        unknown.push(attribute);
    }
  }
  if (peer.publicKey === undefined) throw new DecodeError('a peer without a key');
  if (unknown.length > 0) peer.unknown = unknown;
  return peer as WireguardPeer;
}

/** struct sockaddr_in (16 bytes) or sockaddr_in6 (28): linux/in.h, linux/in6.h. */
function writeEndpoint(writer: ByteWriter, { ip: address, port }: WireguardEndpoint): void {
  const start = writer.beginNest(WGPEER_A.ENDPOINT);
  writer.u16(familyNumber(address.family));
  writer.u16be(port);
  if (address.family === 4) {
    writer.ip(address);
    writer.zeros(8);
  } else {
    writer.u32(0);
    writer.ip(address);
    writer.u32(0);
  }
  writer.endNest(start);
}

function readEndpoint(bytes: Uint8Array): WireguardEndpoint {
  const family = ipFamily(u16(bytes));
  const address = family === 4 ? bytes.subarray(4, 8) : bytes.subarray(8, 24);
  return { ip: ip(address, family), port: u16be(bytes, 2) };
}

function writeAllowedIps(writer: ByteWriter, networks: readonly Cidr[]): void {
  const list = writer.beginNest(WGPEER_A.ALLOWED_IPS | NLA_F_NESTED);
  for (const { ip: address, prefix } of networks) {
    const start = writer.beginNest(NLA_F_NESTED);
    writer.attrU16(ALLOWED.FAMILY, familyNumber(address.family));
    writer.attrIp(ALLOWED.ADDRESS, address);
    writer.attrU8(ALLOWED.MASK, prefix);
    writer.endNest(start);
  }
  writer.endNest(list);
}

function readAllowedIp(bytes: Uint8Array): Cidr {
  let family: 4 | 6 | undefined;
  let address: Uint8Array | undefined;
  let prefix: number | undefined;
  for (const { type, payload } of parseAttributes(bytes)) {
    if (type === ALLOWED.FAMILY) family = ipFamily(u16(payload));
    else if (type === ALLOWED.ADDRESS) address = payload;
    else if (type === ALLOWED.MASK) prefix = u8(payload);
  }
  if (family === undefined || address === undefined || prefix === undefined)
    throw new DecodeError('an allowed network without family, address or length');
  return cidr(address, prefix, family);
}
