/** The keys of net-conf.json that exist once for each IP family: network, subnet length, first and last subnet. Pure. */

import { type Cidr, contains, formatCidr, lastIp, networkOf, parseCidr } from '../ip/cidr.ts';
import { addIp, compareIp, familyBits, formatIp, type Ip, ipEquals, parseIp } from '../ip/ip.ts';
import type { FamilyConf } from './net-conf.ts';
import { NetConfError, type NetConfKey, type NetConfValues } from './net-conf-keys.ts';

interface FamilyRules {
  readonly network: NetConfKey;
  readonly len: NetConfKey;
  readonly min: NetConfKey;
  readonly max: NetConfKey;
  readonly example: string;
  readonly exampleIp: string;
  /** The subnet length where the network leaves room for four subnets of it. */
  readonly defaultLen: number;
  /** A subnet holds a network name, a bridge, a pod and (in IPv4) a broadcast address: two host bits at least. */
  readonly longestLen: number;
}

const rules: Readonly<Record<4 | 6, FamilyRules>> = {
  4: {
    network: 'Network',
    len: 'SubnetLen',
    min: 'SubnetMin',
    max: 'SubnetMax',
    example: '10.244.0.0/16',
    exampleIp: '10.244.1.0',
    defaultLen: 24,
    longestLen: 30,
  },
  6: {
    network: 'IPv6Network',
    len: 'IPv6SubnetLen',
    min: 'IPv6SubnetMin',
    max: 'IPv6SubnetMax',
    example: 'fd00:244::/48',
    exampleIp: 'fd00:244:0:1::',
    defaultLen: 64,
    longestLen: 126,
  },
};

/**
 * Checks one family's keys by flannel's rules (pkg/subnet/config.go, CheckNetworkConfig): the network holds four
 * subnets or more, the first of them is not given out unless SubnetMin says so, and both ends are aligned.
 *
 * @throws NetConfError
 */
export function parseFamily(family: 4 | 6, values: NetConfValues): FamilyConf {
  const rule = rules[family];
  const network = readNetwork(family, values[rule.network]);
  const subnetLen = readSubnetLen(family, network, values[rule.len]);
  const size = 1n << BigInt(familyBits(family) - subnetLen);
  const lastSubnet = addIp(lastIp(network), 1n - size);
  const subnetMin =
    readEnd(family, rule.min, values[rule.min], network, subnetLen) ?? addIp(network.ip, size);
  const subnetMax = readEnd(family, rule.max, values[rule.max], network, subnetLen) ?? lastSubnet;
  if (compareIp(subnetMin, subnetMax) > 0) {
    const range = `${formatIp(subnetMin)} … ${formatIp(subnetMax)}`;
    throw new NetConfError(
      `${rule.min} lies above ${rule.max} (${range}), which leaves no subnet; swap them`,
    );
  }
  return { network, subnetLen, subnetMin, subnetMax };
}

function readNetwork(family: 4 | 6, value: unknown): Cidr {
  const rule = rules[family];
  const advice = `write an IPv${family} network such as "${rule.network}": "${rule.example}"`;
  if (value === undefined) {
    throw new NetConfError(`${rule.network} is missing but EnableIPv${family} is on; ${advice}`);
  }
  const cidr = typeof value === 'string' ? parseCidr(value) : undefined;
  if (cidr?.ip.family !== family) {
    throw new NetConfError(`${rule.network} is ${JSON.stringify(value)}; ${advice}`);
  }
  const shortest = rule.longestLen - 2;
  if (cidr.prefix > shortest) {
    const name = `${rule.network} ${formatCidr(cidr)}`;
    throw new NetConfError(`${name} is too small: it must hold four subnets, so use /${shortest} or shorter`);
  }
  return networkOf(cidr);
}

function readSubnetLen(family: 4 | 6, network: Cidr, value: unknown): number {
  const rule = rules[family];
  const shortest = network.prefix + 2;
  // 0 is what Go's decoder leaves in an absent field, so flannel takes it as "not given".
  if (value === undefined || value === 0) return Math.max(rule.defaultLen, shortest);
  if (typeof value !== 'number' || !Number.isInteger(value)) {
    throw new NetConfError(
      `${rule.len} is ${JSON.stringify(value)}; write a number such as ${rule.defaultLen}`,
    );
  }
  if (value < shortest || value > rule.longestLen) {
    const range = `${shortest} to ${rule.longestLen}`;
    const why = `${formatCidr(network)} must hold four subnets of four addresses`;
    throw new NetConfError(`${rule.len} is ${value}; use ${range}, since ${why} or more`);
  }
  return value;
}

function readEnd(
  family: 4 | 6,
  key: NetConfKey,
  value: unknown,
  network: Cidr,
  subnetLen: number,
): Ip | undefined {
  if (value === undefined) return undefined;
  const ip = typeof value === 'string' ? parseIp(value) : undefined;
  if (ip?.family !== family) {
    const example = rules[family].exampleIp;
    throw new NetConfError(
      `${key} is ${JSON.stringify(value)}; write a subnet's address such as "${example}"`,
    );
  }
  if (!contains(network, ip)) {
    throw new NetConfError(`${key} ${formatIp(ip)} lies outside ${formatCidr(network)}; choose one inside`);
  }
  const aligned = networkOf({ ip, prefix: subnetLen });
  if (!ipEquals(aligned.ip, ip)) {
    const nearest = formatIp(aligned.ip);
    throw new NetConfError(`${key} ${formatIp(ip)} is no start of a /${subnetLen}; write ${nearest}`);
  }
  return ip;
}
