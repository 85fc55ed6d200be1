/** Addresses with a prefix length, as interfaces carry them, and the networks they are in. Pure. */

import { addIp, familyBits, formatIp, type Ip, ipEquals, parseDecimal, parseIp } from './ip.ts';

/** An address and its network's prefix length; host bits are kept: 10.1.2.3/24 is not 10.1.2.0/24. */
export interface Cidr {
  readonly ip: Ip;
  readonly prefix: number;
}

/** Parses `address/length`. @returns `undefined` where it is none */
export function parseCidr(text: string): Cidr | undefined {
  const slash = text.indexOf('/');
  if (slash < 0) return undefined;
  const address = text.slice(0, slash);
  const ip = parseIp(address);
  const length = parseDecimal(text.slice(slash + 1));
  if (!ip || length === undefined) return undefined;
  // An IPv4-mapped address became IPv4: its prefix counts from bit 96 (net.ParseCIDR refuses shorter ones alike).
  const mapped = ip.family === 4 && address.includes(':');
  const prefix = length - (mapped ? 96 : 0);
  return prefix < 0 || prefix > familyBits(ip.family) ? undefined : { ip, prefix };
}

/** `address/length` in text. */
export function formatCidr(cidr: Cidr): string {
  return `${formatIp(cidr.ip)}/${cidr.prefix}`;
}

function hostMask(cidr: Cidr): bigint {
  return (1n << BigInt(familyBits(cidr.ip.family) - cidr.prefix)) - 1n;
}

/** The network that the address is in: its host bits cleared. */
export function networkOf(cidr: Cidr): Cidr {
  return { ip: firstIp(cidr), prefix: cidr.prefix };
}

/** The network's first address, in IPv4 its own name. */
export function firstIp(cidr: Cidr): Ip {
  return { family: cidr.ip.family, value: cidr.ip.value & ~hostMask(cidr) };
}

/** The network's last address, in IPv4 its broadcast address. */
export function lastIp(cidr: Cidr): Ip {
  return { family: cidr.ip.family, value: cidr.ip.value | hostMask(cidr) };
}

/** The `n`-th address of the network. @throws RangeError where the network has no such address */
export function nthIp(cidr: Cidr, n: bigint): Ip {
  if (n < 0n || n > hostMask(cidr)) throw new RangeError(`${formatCidr(cidr)} has no address number ${n}`);
  return addIp(firstIp(cidr), n);
}

/** True if `ip` is in the network of `cidr`. */
export function contains(cidr: Cidr, ip: Ip): boolean {
  return ip.family === cidr.ip.family && (ip.value | hostMask(cidr)) === (cidr.ip.value | hostMask(cidr));
}

/** True if every address of `inner` is in `outer`. */
export function containsCidr(outer: Cidr, inner: Cidr): boolean {
  return inner.prefix >= outer.prefix && contains(outer, inner.ip);
}

/** True if the two networks share an address. */
export function overlaps(a: Cidr, b: Cidr): boolean {
  return containsCidr(a, networkOf(b)) || containsCidr(b, networkOf(a));
}

/**
 * True if one of `all` is `one`. A loop: the first use of an array's `some` and its like costs a fresh process 55 µs, and
 * every CNI call is one.
 */
export function includesCidr(all: readonly Cidr[], one: Cidr): boolean {
  for (const other of all) if (cidrEquals(other, one)) return true;
  return false;
}

/** True if address and prefix length are the same. */
export function cidrEquals(a: Cidr, b: Cidr): boolean {
  return a.prefix === b.prefix && ipEquals(a.ip, b.ip);
}
