/** Addresses as keys of maps, made without text: a thousand peers are a thousand of each. Pure. */

import type { Cidr } from '../../../shared/ip/cidr.ts';
import type { Ip } from '../../../shared/ip/ip.ts';

/** A number for IPv4, a bigint for IPv6: a Map never takes one for the other. */
export type Key = number | bigint;

/** Different for every address. */
export function ipKey(ip: Ip): Key {
  return ip.family === 4 ? Number(ip.value) : ip.value;
}

/** Different for every address and prefix length (which takes 8 bits). */
export function cidrKey(cidr: Cidr): Key {
  return cidr.ip.family === 4
    ? Number(cidr.ip.value) * 256 + cidr.prefix
    : (cidr.ip.value << 8n) | BigInt(cidr.prefix);
}
