/** Which subnet a node gets, as flannel's LocalManager decides it (pkg/subnet/etcd/local_manager.go). Pure. */

import type { FamilyConf } from '../config/net-conf.ts';
import { type Cidr, cidrEquals, firstIp, formatCidr, lastIp, networkOf, overlaps } from '../ip/cidr.ts';
import { compareIp, familyBits, formatIp } from '../ip/ip.ts';
import { OutOfSubnetsError } from './errors.ts';
import type { WantedSubnets } from './registry.ts';

/** flannel draws from this many free subnets, so that nodes that start together seldom draw the same one. */
const CANDIDATES = 100;

/** The networks to give subnets from; the `ipv4` and `ipv6` of a NetConf. */
export interface PodNetworks {
  readonly ipv4?: FamilyConf;
  readonly ipv6?: FamilyConf;
}

/** A whole number from 0 to `below` - 1. */
export type Random = (below: number) => number;

/** Random for production: a poor generator would do, since the store refuses overlaps anyway. */
export const mathRandom: Random = (below) => Math.floor(Math.random() * below);

/** True if the configuration could have given out this subnet. */
export function fitsNetwork(conf: FamilyConf, subnet: Cidr): boolean {
  return (
    subnet.ip.family === conf.network.ip.family &&
    subnet.prefix === conf.subnetLen &&
    compareIp(subnet.ip, conf.subnetMin) >= 0 &&
    compareIp(subnet.ip, conf.subnetMax) <= 0 &&
    cidrEquals(subnet, networkOf(subnet))
  );
}

/**
 * The first free subnets in order, at most `limit`. Taken ones may have any length: the configuration may have
 * changed since they were given out.
 */
export function freeSubnets(conf: FamilyConf, taken: readonly Cidr[], limit: number = CANDIDATES): Cidr[] {
  const family = conf.network.ip.family;
  const shift = BigInt(familyBits(family) - conf.subnetLen);
  // Subnets are counted in units of their own size. Nearly all that are taken are of the configured length, one unit: of
  // thousands it is only asked whether the next one is among them. The others are ranges, in order.
  const units = new Set<bigint>();
  const ranges: { readonly from: bigint; readonly to: bigint }[] = [];
  for (const cidr of taken) {
    if (cidr.ip.family !== family) continue;
    if (cidr.prefix === conf.subnetLen) units.add(cidr.ip.value >> shift);
    else ranges.push({ from: firstIp(cidr).value >> shift, to: lastIp(cidr).value >> shift });
  }
  ranges.sort((a, b) => (a.from < b.from ? -1 : a.from > b.from ? 1 : 0));
  const end = conf.subnetMax.value >> shift;
  const free: Cidr[] = [];
  let next = conf.subnetMin.value >> shift;
  for (let index = 0; next <= end && free.length < limit; ) {
    const range = ranges[index];
    if (range !== undefined && range.from <= next) {
      if (range.to >= next) next = range.to + 1n;
      index += 1;
      continue;
    }
    if (!units.has(next)) free.push({ ip: { family, value: next << shift }, prefix: conf.subnetLen });
    next += 1n;
  }
  return free;
}

/**
 * One subnet for each enabled family: the first of `wishes` that fits and is free, else a random free one. Families
 * are decided apart, so a cluster that becomes dual-stack keeps its IPv4 subnets.
 *
 * @param taken what other nodes have; the node's own subnets are not in it
 * @throws OutOfSubnetsError
 */
export function planSubnets(
  networks: PodNetworks,
  wishes: readonly WantedSubnets[],
  taken: readonly Cidr[],
  random: Random,
): WantedSubnets {
  const subnet =
    networks.ipv4 &&
    pick(
      networks.ipv4,
      wishes.map((wish) => wish.subnet),
      taken,
      random,
    );
  const subnetV6 =
    networks.ipv6 &&
    pick(
      networks.ipv6,
      wishes.map((wish) => wish.subnetV6),
      taken,
      random,
    );
  return { ...(subnet && { subnet }), ...(subnetV6 && { subnetV6 }) };
}

function pick(
  conf: FamilyConf,
  wishes: readonly (Cidr | undefined)[],
  taken: readonly Cidr[],
  random: Random,
): Cidr {
  for (const wish of wishes) {
    if (wish === undefined || !fitsNetwork(conf, wish)) continue;
    if (!taken.some((other) => overlaps(wish, other))) return wish;
  }
  const free = freeSubnets(conf, taken);
  const chosen = free[random(free.length)];
  if (chosen === undefined) {
    const range = `${formatIp(conf.subnetMin)} and ${formatIp(conf.subnetMax)}`;
    throw new OutOfSubnetsError(
      `no /${conf.subnetLen} of ${formatCidr(conf.network)} is free between ${range}: ` +
        "remove nodes that are gone with 'underpod delete node/NAME', or enlarge the network in net-conf.json",
    );
  }
  return chosen;
}
