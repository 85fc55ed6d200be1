/**
 * Ethernet, IPv4 (RFC 791) and UDP (RFC 768) around a DHCP message: a client without an address cannot leave that to the
 * kernel. Pure.
 */

import type { Ip } from '../../../shared/ip/ip.ts';
import { ipFromBytes, ipToBytes } from '../../../shared/ip/ip.ts';
import { checksum, onesSum } from './checksum.ts';

export interface Frame {
  readonly sourceMac: Uint8Array;
  readonly destinationMac: Uint8Array;
  readonly source: Ip;
  readonly destination: Ip;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly payload: Uint8Array;
}

/** Sizes of the headers without options. */
const ETHERNET = 14;
const IPV4 = 20;
const UDP = 8;

const ETHERTYPE_IPV4 = 0x0800;
const PROTOCOL_UDP = 17;

/** Hops, as RFC 1340 recommends and Linux has it. */
const TTL = 64;

export const BROADCAST_MAC: Uint8Array = new Uint8Array(6).fill(0xff);
export const BROADCAST_IP: Ip = { family: 4, value: 0xffffffffn };

export function encodeFrame(frame: Frame): Uint8Array {
  const { payload } = frame;
  const bytes = new Uint8Array(ETHERNET + IPV4 + UDP + payload.length);
  const view = new DataView(bytes.buffer);
  bytes.set(frame.destinationMac, 0);
  bytes.set(frame.sourceMac, 6);
  view.setUint16(12, ETHERTYPE_IPV4);
  const ip = bytes.subarray(ETHERNET, ETHERNET + IPV4);
  ip[0] = 0x45;
  view.setUint16(ETHERNET + 2, IPV4 + UDP + payload.length);
  ip[8] = TTL;
  ip[9] = PROTOCOL_UDP;
  ip.set(ipToBytes(frame.source), 12);
  ip.set(ipToBytes(frame.destination), 16);
  view.setUint16(ETHERNET + 10, checksum(ip));
  const udpAt = ETHERNET + IPV4;
  view.setUint16(udpAt, frame.sourcePort);
  view.setUint16(udpAt + 2, frame.destinationPort);
  view.setUint16(udpAt + 4, UDP + payload.length);
  bytes.set(payload, udpAt + UDP);
  const sum = checksum(bytes.subarray(udpAt), pseudoSum(ip, UDP + payload.length));
  // 0 would say that there is none.
  view.setUint16(udpAt + 6, sum === 0 ? 0xffff : sum);
  return bytes;
}

/** Reads a frame; undefined for what is no whole UDP datagram in IPv4 with right checksums. */
export function decodeFrame(bytes: Uint8Array): Frame | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < ETHERNET + IPV4 + UDP || view.getUint16(12) !== ETHERTYPE_IPV4) return undefined;
  const first = bytes[ETHERNET] ?? 0;
  const header = (first & 0x0f) * 4;
  const total = view.getUint16(ETHERNET + 2);
  if (first >>> 4 !== 4 || header < IPV4 || total < header + UDP || ETHERNET + total > bytes.length)
    return undefined;
  const ip = bytes.subarray(ETHERNET, ETHERNET + header);
  // The lowest 14 bits are "more fragments" and the offset.
  if (checksum(ip) !== 0 || (view.getUint16(ETHERNET + 6) & 0x3fff) !== 0 || ip[9] !== PROTOCOL_UDP)
    return undefined;
  const udpAt = ETHERNET + header;
  const length = view.getUint16(udpAt + 4);
  if (length < UDP || length > total - header) return undefined;
  const udp = bytes.subarray(udpAt, udpAt + length);
  if (!hasRightChecksum(udp, pseudoSum(ip, length), view.getUint16(udpAt + 6))) return undefined;
  return {
    destinationMac: bytes.slice(0, 6),
    sourceMac: bytes.slice(6, 12),
    source: ipFromBytes(ip.subarray(12, 16)),
    destination: ipFromBytes(ip.subarray(16, 20)),
    sourcePort: view.getUint16(udpAt),
    destinationPort: view.getUint16(udpAt + 2),
    payload: udp.slice(UDP),
  };
}

/**
 * From a server on the same machine comes what Linux leaves to a network card that is not there (CHECKSUM_PARTIAL): the
 * field holds the sum of the pseudo header.
 */
function hasRightChecksum(udp: Uint8Array, pseudo: number, field: number): boolean {
  return field === 0 || field === pseudo || checksum(udp, pseudo) === 0;
}

/** Source, destination, protocol, length: what UDP's checksum covers besides itself. */
function pseudoSum(ip: Uint8Array, length: number): number {
  return onesSum(ip.subarray(12, 20), PROTOCOL_UDP + length);
}
