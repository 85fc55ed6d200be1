import type { Cidr } from '../../ip/cidr.ts';
import type { Ip } from '../../ip/ip.ts';
import { DecodeError } from './decode-error.ts';

/*
 * Readers of numbers, text and addresses at a place in a byte array. All of them throw DecodeError when fewer bytes
 * than they need are left. An attribute that is longer than its value is accepted, because the kernel appends to
 * structures from release to release.
 */

function need(bytes: Uint8Array, at: number, count: number): void {
  if (at + count > bytes.length) throw new DecodeError(`${count} bytes wanted at ${at} of ${bytes.length}`);
}

export function u8(bytes: Uint8Array, at: number = 0): number {
  need(bytes, at, 1);
  return bytes[at] as number;
}

export function u16(bytes: Uint8Array, at: number = 0): number {
  need(bytes, at, 2);
  return (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
}

export function u32(bytes: Uint8Array, at: number = 0): number {
  return i32(bytes, at) >>> 0;
}

export function i32(bytes: Uint8Array, at: number = 0): number {
  need(bytes, at, 4);
  return (
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)
  );
}

export function u64(bytes: Uint8Array, at: number = 0): bigint {
  return (BigInt(u32(bytes, at + 4)) << 32n) | BigInt(u32(bytes, at));
}

export function u16be(bytes: Uint8Array, at: number = 0): number {
  need(bytes, at, 2);
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}

export function u32be(bytes: Uint8Array, at: number = 0): number {
  need(bytes, at, 4);
  const value =
    ((bytes[at] as number) << 24) |
    ((bytes[at + 1] as number) << 16) |
    ((bytes[at + 2] as number) << 8) |
    (bytes[at + 3] as number);
  return value >>> 0;
}

export function u64be(bytes: Uint8Array, at: number = 0): bigint {
  return (BigInt(u32be(bytes, at)) << 32n) | BigInt(u32be(bytes, at + 4));
}

/** Text up to the first NUL byte or the end; bytes that are not UTF-8 become U+FFFD. */
export function text(bytes: Uint8Array): string {
  let result = '';
  for (const byte of bytes) {
    if (byte === 0) break;
    if (byte > 0x7f) {
      const end = bytes.indexOf(0);
      return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
    }
    result += String.fromCharCode(byte);
  }
  return result;
}

/** The address that an attribute of four (IPv4) or sixteen bytes (IPv6) holds; `family` insists on one of them. */
export function ip(bytes: Uint8Array, family?: 4 | 6): Ip {
  if (bytes.length === 4 && family !== 6) return { family: 4, value: BigInt(u32be(bytes)) };
  if (bytes.length === 16 && family !== 4)
    return { family: 6, value: (u64be(bytes) << 64n) | u64be(bytes, 8) };
  throw new DecodeError(
    `an IP${family === undefined ? '' : `v${family}`} address cannot have ${bytes.length} bytes`,
  );
}

/** An address with the length of its prefix. */
export function cidr(bytes: Uint8Array, prefix: number, family: 4 | 6): Cidr {
  if (prefix > (family === 4 ? 32 : 128))
    throw new DecodeError(`no prefix of IPv${family} has ${prefix} bits`);
  return { ip: ip(bytes, family), prefix };
}
