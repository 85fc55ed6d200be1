/** Ranges of addresses as host-local's configuration means them. Pure. */

import type { Cidr } from '../../../shared/ip/cidr.ts';
import { contains, firstIp, formatCidr, lastIp, parseCidr } from '../../../shared/ip/cidr.ts';
import type { Ip } from '../../../shared/ip/ip.ts';
import { addIp, compareIp, familyBits, formatIp, ipEquals, parseIp } from '../../../shared/ip/ip.ts';
import { invalidConfig } from '../../protocol/error.ts';
import type { JsonObject } from '../../protocol/json.ts';
import { readString, requireString } from '../../protocol/json.ts';

/** Consecutive addresses of one subnet, both ends included. The gateway may lie within; it is never given out. */
export interface Range {
  readonly subnet: Cidr;
  readonly start: Ip;
  readonly end: Ip;
  readonly gateway: Ip;
}

/** Ranges of one family; an attachment gets one address out of each set. Never empty. */
export type RangeSet = readonly [Range, ...Range[]];

/**
 * Reads `{subnet, rangeStart, rangeEnd, gateway}` and fills in what is left out: start .1, end the last address (in
 * IPv4 the one before the broadcast address), gateway .1. Throws code 6 for wrong types, 7 for what makes no sense.
 */
export function readRange(raw: JsonObject, path: string): Range {
  const text = requireString(raw['subnet'], `${path}.subnet`);
  const subnet = parseCidr(text);
  if (!subnet)
    throw invalidConfig(`${path}.subnet ${JSON.stringify(text)} must be a subnet such as 10.1.0.0/24`);
  const refuse = (what: string): never => {
    throw invalidConfig(`${path}${what}`);
  };
  const { family } = subnet.ip;
  if (subnet.prefix > familyBits(family) - 2) {
    refuse(`.subnet ${text} is too small: at least four addresses are needed`);
  }
  const network = firstIp(subnet);
  if (!ipEquals(subnet.ip, network)) {
    refuse(`.subnet ${text} has host bits set: write ${formatCidr({ ip: network, prefix: subnet.prefix })}`);
  }
  const start = readIp(raw, 'rangeStart', path);
  const end = readIp(raw, 'rangeEnd', path);
  const gateway = readIp(raw, 'gateway', path);
  if (gateway && gateway.family !== family)
    refuse(`.gateway ${formatIp(gateway)} is not of the family of ${text}`);
  if (start && !contains(subnet, start)) refuse(`.rangeStart ${formatIp(start)} is not in ${text}`);
  if (end && !contains(subnet, end)) refuse(`.rangeEnd ${formatIp(end)} is not in ${text}`);
  const first = addIp(network, 1n);
  const range = { subnet, start: start ?? first, end: end ?? lastUsable(subnet), gateway: gateway ?? first };
  if ((start || end) && compareIp(range.start, range.end) > 0) {
    refuse(`: rangeStart ${formatIp(range.start)} is behind rangeEnd ${formatIp(range.end)}`);
  }
  return range;
}

/** The range of the set that holds `ip`, or undefined. */
export function rangeFor(set: RangeSet, ip: Ip): Range | undefined {
  for (const range of set) if (inRange(range, ip)) return range;
  return undefined;
}

/** True if `ip` lies between the range's ends. */
export function inRange(range: Range, ip: Ip): boolean {
  return ip.family === range.start.family && compareIp(ip, range.start) >= 0 && compareIp(ip, range.end) <= 0;
}

/** True if two ranges have an address in common. */
export function rangesOverlap(a: Range, b: Range): boolean {
  return (
    a.start.family === b.start.family && compareIp(a.start, b.end) <= 0 && compareIp(b.start, a.end) <= 0
  );
}

/** `10.1.0.1-10.1.0.254`, of a set several with commas. */
export function describeRanges(set: RangeSet): string {
  return set.map((range) => `${formatIp(range.start)}-${formatIp(range.end)}`).join(',');
}

/** The family of a set's addresses. */
export function familyOf(set: RangeSet): 4 | 6 {
  return set[0].start.family;
}

function lastUsable(subnet: Cidr): Ip {
  return subnet.ip.family === 4 ? addIp(lastIp(subnet), -1n) : lastIp(subnet);
}

/** '' counts as absent, as in Go's net.IP. */
function readIp(raw: JsonObject, key: string, path: string): Ip | undefined {
  const text = readString(raw[key], `${path}.${key}`) ?? '';
  if (text === '') return undefined;
  const ip = parseIp(text);
  if (ip) return ip;
  throw invalidConfig(`${path}.${key} ${JSON.stringify(text)} is no IP address`);
}
