/** Nodes as etcd's keys and values have them. Pure. */

import type { KeyValue } from '#messages/etcd';
import { ipEquals } from '../../ip/ip.ts';
import type { NodeInfo, NodeLease, WantedSubnets } from '../registry.ts';
import { type DecodedAttributes, decodeAttributes } from './attributes.ts';
import { parseSubnetName } from './keys.ts';
import { isLeaseOf, leaseIdsOf } from './lease-id.ts';

/** One key. */
export interface NodeRecord {
  /** The key's last part. */
  readonly name: string;
  readonly subnets: WantedSubnets;
  /** What it says, under that name; `undefined` for a value that nobody can read: the subnets are taken all the same. */
  readonly node: NodeLease | undefined;
  /** See DecodedAttributes. */
  readonly nameless: boolean;
  /** 0: it does not expire. */
  readonly lease: bigint;
  readonly createRevision: bigint;
  readonly modRevision: bigint;
}

/**
 * A key with its value; `undefined` for one that names no subnet.
 *
 * @param latestEnd of a lease; etcd tells the end of one at a time, which takes seconds for thousands
 */
export function toRecord(
  { key, value, lease, createRevision, modRevision }: KeyValue,
  prefix: string,
  latestEnd: number,
): NodeRecord | undefined {
  const name = key.slice(prefix.length);
  const subnets = parseSubnetName(name);
  if (subnets === undefined) return undefined;
  const attributes = decodeAttributes(value);
  const expiresAt = lease === 0n ? Number.POSITIVE_INFINITY : latestEnd;
  const node = attributes && toNode(name, subnets, attributes, expiresAt);
  return { name, subnets, node, nameless: attributes?.nameless ?? true, lease, createRevision, modRevision };
}

function toNode(
  node: string,
  { subnet, subnetV6 }: WantedSubnets,
  { backend, publicIp, publicIpV6 }: DecodedAttributes,
  expiresAt: number,
): NodeLease {
  const lease: { -readonly [K in keyof NodeLease]: NodeLease[K] } = { node, backend, expiresAt };
  if (subnet) lease.subnet = subnet;
  if (subnetV6) lease.subnetV6 = subnetV6;
  if (publicIp) lease.publicIp = publicIp;
  if (publicIpV6) lease.publicIpV6 = publicIpV6;
  return lease;
}

/** Somebody keeps the subnet for a node that has not registered yet: flannel's reservations. */
export function isReservation({ lease, nameless }: NodeRecord): boolean {
  return lease === 0n && nameless;
}

/**
 * The record that is this node's, best first: one under a lease of its own, a reservation for its address, one with its
 * address (as flannel finds it: another state directory, or flanneld itself, made it).
 */
export function findOwn(records: readonly NodeRecord[], info: NodeInfo): NodeRecord | undefined {
  const first = info.instance === undefined ? undefined : leaseIdsOf(info.instance);
  const leased = first === undefined ? [] : records.filter(({ lease }) => isLeaseOf(lease, first));
  // After a crash in between there may be two; the latest is in use.
  if (leased.length > 0) return leased.reduce((a, b) => (b.modRevision > a.modRevision ? b : a));
  const here = records.filter((record) => hasAddressOf(record, info));
  return here.find(({ lease }) => lease === 0n) ?? here[0];
}

/** flannel knows nodes by their IPv4 address; without one, by IPv6. */
function hasAddressOf({ node }: NodeRecord, { publicIp, publicIpV6 }: NodeInfo): boolean {
  if (publicIp !== undefined) return node?.publicIp !== undefined && ipEquals(node.publicIp, publicIp);
  if (publicIpV6 === undefined || node?.publicIpV6 === undefined) return false;
  return node.publicIp === undefined && ipEquals(node.publicIpV6, publicIpV6);
}
