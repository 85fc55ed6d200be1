/** IP addresses as values: a family and a number. Pure. */

/** An IPv4 or IPv6 address; `value` is the address as an unsigned integer of 32 or 128 bits. */
export interface Ip {
  readonly family: 4 | 6;
  readonly value: bigint;
}

/** The number of bits of a family's addresses. */
export function familyBits(family: 4 | 6): 32 | 128 {
  return family === 4 ? 32 : 128;
}

/**
 * Parses an address in text: IPv4 as four decimal numbers without leading zeros, IPv6 by RFC 4291 section 2.2.
 *
 * An IPv4-mapped IPv6 address is taken as the IPv4 address, as Go's net.ParseIP has it, because what upstream's
 * plugins wrote must read the same. Zones (`%eth0`) are refused.
 *
 * @returns `undefined` where `text` is no address
 */
export function parseIp(text: string): Ip | undefined {
  if (!text.includes(':')) {
    const value = parseIpv4(text);
    return value === undefined ? undefined : { family: 4, value };
  }
  const value = parseIpv6(text);
  if (value === undefined) return undefined;
  return value >> 32n === 0xffffn ? { family: 4, value: value & 0xffffffffn } : { family: 6, value };
}

/** Character by character: lists have thousands, and pieces of text cost more than their digits. */
function parseIpv4(text: string): bigint | undefined {
  let value = 0;
  let parts = 0;
  let byte = 0;
  let digits = 0;
  for (let index = 0; index <= text.length; index += 1) {
    const code = index < text.length ? text.charCodeAt(index) : 46;
    if (code === 46) {
      if (digits === 0 || byte > 255) return undefined;
      value = value * 256 + byte;
      parts += 1;
      byte = 0;
      digits = 0;
      continue;
    }
    const digit = code - 48;
    const isLeadingZero = digits > 0 && byte === 0;
    if (digit < 0 || digit > 9 || isLeadingZero || digits === 3) return undefined;
    byte = byte * 10 + digit;
    digits += 1;
  }
  return parts === 4 ? BigInt(value) : undefined;
}

/**
 * A number of one to three (or `most`) decimal digits without a leading zero. Digit by digit: compiling a regular expression costs
 * a fresh process 20 µs, and every CNI call reads addresses.
 *
 * @returns `undefined` where `text` is none
 */
export function parseDecimal(text: string, most: number = 3): number | undefined {
  if (text.length === 0 || text.length > most || (text.length > 1 && text.charCodeAt(0) === 48))
    return undefined;
  let value = 0;
  for (let index = 0; index < text.length; index += 1) {
    const digit = text.charCodeAt(index) - 48;
    if (digit < 0 || digit > 9) return undefined;
    value = value * 10 + digit;
  }
  return value;
}

function parseIpv6(text: string): bigint | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0] ?? '', halves.length === 1);
  const tail = parseGroups(halves[1] ?? '', true);
  if (!head || !tail) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  let value = 0n;
  for (const group of [...head, ...new Array<number>(missing).fill(0), ...tail])
    value = (value << 16n) | BigInt(group);
  return value;
}

/** The 16-bit groups of one side of `::`; an IPv4 tail counts two and may stand only at the very end. */
function parseGroups(text: string, last: boolean): number[] | undefined {
  if (text === '') return [];
  const parts = text.split(':');
  const groups: number[] = [];
  for (const [index, part] of parts.entries()) {
    if (last && index === parts.length - 1 && part.includes('.')) {
      const value = parseIpv4(part);
      if (value === undefined) return undefined;
      groups.push(Number(value >> 16n), Number(value & 0xffffn));
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      groups.push(Number.parseInt(part, 16));
    } else {
      return undefined;
    }
  }
  return groups;
}

/** The address in text; IPv6 in RFC 5952's form: lower case, the longest run of zeros (the first of equals) as `::`. */
export function formatIp(ip: Ip): string {
  if (ip.family === 4) {
    const value = Number(ip.value);
    return `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`;
  }
  const groups: number[] = [];
  for (let shift = 112n; shift >= 0n; shift -= 16n) groups.push(Number((ip.value >> shift) & 0xffffn));
  let [start, length] = [-1, 1];
  for (let index = 0; index < 8; index += 1) {
    let end = index;
    while (end < 8 && groups[end] === 0) end += 1;
    if (end - index > length) [start, length] = [index, end - index];
    if (end > index) index = end;
  }
  const hex = (part: number[]): string => part.map((group) => group.toString(16)).join(':');
  if (start < 0) return hex(groups);
  return `${hex(groups.slice(0, start))}::${hex(groups.slice(start + length))}`;
}

/** The address from its 4 or 16 bytes in network order. @throws RangeError at any other length */
export function ipFromBytes(bytes: Uint8Array): Ip {
  if (bytes.length !== 4 && bytes.length !== 16)
    throw new RangeError(`an IP address of ${bytes.length} bytes`);
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  return { family: bytes.length === 4 ? 4 : 6, value };
}

/** The address as 4 or 16 bytes in network order. */
export function ipToBytes(ip: Ip): Uint8Array {
  const length = ip.family === 4 ? 4 : 16;
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  if (length === 4) {
    view.setUint32(0, Number(ip.value));
  } else {
    view.setBigUint64(0, ip.value >> 64n);
    view.setBigUint64(8, ip.value & 0xffffffffffffffffn);
  }
  return bytes;
}

/** True if both are the same address of the same family. */
export function ipEquals(a: Ip, b: Ip): boolean {
  return a.family === b.family && a.value === b.value;
}

/** Order for sorting: IPv4 before IPv6, then by value. Negative, 0 or positive. */
export function compareIp(a: Ip, b: Ip): number {
  if (a.family !== b.family) return a.family - b.family;
  return a.value < b.value ? -1 : a.value > b.value ? 1 : 0;
}

/** The address `n` after `ip` (before, where negative). @throws RangeError past the ends of the family */
export function addIp(ip: Ip, n: bigint): Ip {
  const value = ip.value + n;
  if (value < 0n || value >> BigInt(familyBits(ip.family)) !== 0n) {
    throw new RangeError(`${formatIp(ip)} + ${n} is no IPv${ip.family} address`);
  }
  return { family: ip.family, value };
}

/** True for 224.0.0.0/4 and ff00::/8. */
export function isMulticast(ip: Ip): boolean {
  return ip.family === 4 ? ip.value >> 28n === 0xen : ip.value >> 120n === 0xffn;
}

/** True for 127.0.0.0/8 and ::1. */
export function isLoopback(ip: Ip): boolean {
  return ip.family === 4 ? ip.value >> 24n === 127n : ip.value === 1n;
}

/** True for 169.254.0.0/16 and fe80::/10. */
export function isLinkLocal(ip: Ip): boolean {
  return ip.family === 4 ? ip.value >> 16n === 0xa9fen : ip.value >> 118n === 0x3fan;
}
