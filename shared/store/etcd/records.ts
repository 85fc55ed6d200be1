/** Nodes as etcd's keys and values have them. Pure. */

import type { KeyValue } from '#messages/etcd';
import { ipEquals } from '../../ip/ip.ts';
import type { NodeInfo, WantedSubnets } from '../registry.ts';
import { type DecodedAttributes, decodeAttributes } from './attributes.ts';
import { parseSubnetName } from './keys.ts';
import { isLeaseOf } from './lease-id.ts';

/** One key. */
export interface NodeRecord {
  /** The key's last part. */
  readonly name: string;
  readonly subnets: WantedSubnets;
  /** `undefined` for a value that nobody can read: the subnet is taken all the same. */
  readonly attributes: DecodedAttributes | undefined;
  /** 0: it does not expire. */
  readonly lease: bigint;
  readonly createRevision: bigint;
  readonly modRevision: bigint;
}

const decoder = new TextDecoder();

/** A key with its value; `undefined` for one that names no subnet. */
export function toRecord(kv: KeyValue, prefixLength: number): NodeRecord | undefined {
  const name = nameOf(kv, prefixLength);
  const subnets = parseSubnetName(name);
  if (subnets === undefined) return undefined;
  const { lease, createRevision, modRevision } = kv;
  const attributes = decodeAttributes(decoder.decode(kv.value));
  return { name, subnets, attributes, lease, createRevision, modRevision };
}

/** The last part of a key, after the `prefixLength` bytes that all have. */
export function nameOf({ key }: KeyValue, prefixLength: number): string {
  return decoder.decode(key.subarray(prefixLength));
}

/** Somebody keeps the subnet for a node that has not registered yet: flannel's reservations. */
export function isReservation({ lease, attributes }: NodeRecord): boolean {
  return lease === 0n && attributes?.nameless !== false;
}

/**
 * The record that is this node's, best first: one under a lease of its own, a reservation for its address, one with its
 * address (as flannel finds it: another state directory, or flanneld itself, made it).
 */
export function findOwn(records: readonly NodeRecord[], info: NodeInfo): NodeRecord | undefined {
  const { instance } = info;
  const leased = instance && records.filter(({ lease }) => isLeaseOf(lease, instance));
  // After a crash in between there may be two; the latest is in use.
  if (leased && leased.length > 0) return leased.reduce((a, b) => (b.modRevision > a.modRevision ? b : a));
  const here = records.filter((record) => hasAddressOf(record, info));
  return here.find(({ lease }) => lease === 0n) ?? here[0];
}

/** flannel knows nodes by their IPv4 address; without one, by IPv6. */
function hasAddressOf({ attributes }: NodeRecord, { publicIp, publicIpV6 }: NodeInfo): boolean {
  if (publicIp !== undefined)
    return attributes?.publicIp !== undefined && ipEquals(attributes.publicIp, publicIp);
  if (publicIpV6 === undefined || attributes?.publicIpV6 === undefined) return false;
  return attributes.publicIp === undefined && ipEquals(attributes.publicIpV6, publicIpV6);
}
