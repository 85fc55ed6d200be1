/**
 * Addresses and endpoints in their most compact form: strings whose characters are the bytes. A cluster has hundreds of
 * thousands of endpoints; such a string takes 24 to 40 bytes, is a key of a Map as it stands, and its bytes are what the
 * kernel is sent. Pure.
 */

import { formatIp, type Ip, ipFromBytes, ipToBytes, parseIp } from '../../../shared/ip/ip.ts';

export type Family = 4 | 6;

declare const address: unique symbol;
declare const endpoint: unique symbol;

/** 4 or 16 characters, one a byte, in network order. */
export type Address = string & { readonly [address]: true };

/** An address and, in two more characters, a port: 6 or 18 characters. */
export type Endpoint = string & { readonly [endpoint]: true };

/** @returns `undefined` where `text` is no address; an IPv4-mapped IPv6 address is IPv4, as in Go */
export function parseAddress(text: string): Address | undefined {
  const packed = packDecimal(text);
  if (packed !== undefined) return packed;
  const ip = parseIp(text);
  return ip && packAddress(ip);
}

/** What nearly all of hundreds of thousands are, without a big number between: `10.244.3.17`, as parseIp has it. */
function packDecimal(text: string): Address | undefined {
  let [first, second, third, byte, dots, digits] = [0, 0, 0, 0, 0, 0];
  for (let at = 0; at < text.length; at += 1) {
    const digit = text.charCodeAt(at) - 48;
    if (digit >= 0 && digit <= 9) {
      if (digits === 3 || (digits > 0 && byte === 0)) return undefined;
      byte = byte * 10 + digit;
      digits += 1;
      continue;
    }
    if (digit !== -2 || digits === 0 || byte > 255) return undefined;
    if (dots === 0) first = byte;
    else if (dots === 1) second = byte;
    else third = byte;
    dots += 1;
    byte = 0;
    digits = 0;
  }
  if (dots !== 3 || digits === 0 || byte > 255) return undefined;
  return String.fromCharCode(first, second, third, byte) as Address;
}

export function packAddress(ip: Ip): Address {
  return String.fromCharCode(...ipToBytes(ip)) as Address;
}

export function unpackAddress(packed: Address): Ip {
  return ipFromBytes(bytesOf(packed));
}

/** @param port 1 to 65535 */
export function endpointOf(at: Address, port: number): Endpoint {
  return (at + String.fromCharCode(port >>> 8, port & 255)) as Endpoint;
}

export function addressOf(of: Endpoint): Address {
  return of.slice(0, -2) as Address;
}

export function portOf(of: Endpoint): number {
  return (of.charCodeAt(of.length - 2) << 8) | of.charCodeAt(of.length - 1);
}

export function familyOf(packed: Address | Endpoint): Family {
  return packed.length < 16 ? 4 : 6;
}

/** The bytes behind the characters. */
export function bytesOf(packed: string): Uint8Array {
  const bytes = new Uint8Array(packed.length);
  for (let at = 0; at < packed.length; at += 1) bytes[at] = packed.charCodeAt(at);
  return bytes;
}

/** For people: `10.0.0.1`, `fd00::1`. */
export function formatAddress(packed: Address): string {
  return formatIp(unpackAddress(packed));
}

/** For people: `10.0.0.1:80`, `[fd00::1]:80`. */
export function formatEndpoint(of: Endpoint): string {
  const text = formatAddress(addressOf(of));
  return familyOf(of) === 4 ? `${text}:${portOf(of)}` : `[${text}]:${portOf(of)}`;
}
