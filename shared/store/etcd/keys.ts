/**
 * Where flannel keeps things in etcd v3 (flannel, pkg/subnet/subnet.go): `<prefix>/config`, and a key a node that is named
 * after its subnets, `<prefix>/subnets/10.244.1.0-24` or `…/10.244.1.0-24&fd00:244:0:1::-64`. Pure.
 */

import { type Cidr, networkOf } from '../../ip/cidr.ts';
import { formatIp, type Ip, parseDecimal, parseIp } from '../../ip/ip.ts';
import type { WantedSubnets } from '../registry.ts';

/** In the place of the subnet that a node without IPv4 does not have; flannel writes the same, and cannot read it. */
export const NO_IPV4: string = '0.0.0.0-0';

/** The key of net-conf.json. */
export function configKey(prefix: string): string {
  return `${prefix}/config`;
}

/** What every node's key begins with. */
export function subnetsPrefix(prefix: string): string {
  return `${prefix}/subnets/`;
}

/** The last part of the key of a node with these subnets. @throws Error when it has none */
export function subnetName({ subnet, subnetV6 }: WantedSubnets): string {
  if (subnet === undefined && subnetV6 === undefined) throw new Error('a node without subnets has no key');
  const v4 = subnet === undefined ? NO_IPV4 : format(subnet);
  return subnetV6 === undefined ? v4 : `${v4}&${format(subnetV6)}`;
}

/** What every key of a node with this IPv4 subnet begins with, whatever its IPv6 subnet, and nobody else's. */
export function ipv4Part(name: string): string {
  const end = name.indexOf('&');
  return end < 0 ? name : name.slice(0, end);
}

/** Reads the last part of a node's key; `undefined` for what is none. Host bits do not count. */
export function parseSubnetName(name: string): WantedSubnets | undefined {
  const v4 = ipv4Part(name);
  const subnet = v4 === NO_IPV4 ? undefined : parse(v4, 4);
  if (subnet === undefined && v4 !== NO_IPV4) return undefined;
  if (v4.length === name.length) return subnet && { subnet };
  const subnetV6 = parse(name.slice(v4.length + 1), 6);
  return subnetV6 && { ...(subnet && { subnet }), subnetV6 };
}

function format({ ip, prefix }: Cidr): string {
  return `${formatIp(ip)}-${prefix}`;
}

function parse(text: string, family: 4 | 6): Cidr | undefined {
  const dash = text.lastIndexOf('-');
  const prefix = parseDecimal(text.slice(dash + 1));
  const ip: Ip | undefined = dash < 0 ? undefined : parseIp(text.slice(0, dash));
  if (ip?.family !== family || prefix === undefined || prefix > (family === 4 ? 32 : 128)) return undefined;
  return withoutHostBits({ ip, prefix });
}

/** As `networkOf`; most have none, and lists have thousands: arithmetic on 64-bit integers is slow. */
function withoutHostBits(cidr: Cidr): Cidr {
  const { ip, prefix } = cidr;
  if (ip.family === 4 && Number(ip.value) % 2 ** (32 - prefix) === 0) return cidr;
  return networkOf(cidr);
}
