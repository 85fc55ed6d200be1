/** Node leases as JSON, for the agent's cache file. Pure. */

import { type Cidr, cidrEquals, formatCidr, parseCidr } from '../../../shared/ip/cidr.ts';
import { formatIp, type Ip, ipEquals, parseIp } from '../../../shared/ip/ip.ts';
import type { Json, NodeLease } from '../../../shared/store/registry.ts';

/** A lease in a form that JSON can carry; addresses in text. */
export function leaseToJson(lease: NodeLease): Json {
  return {
    node: lease.node,
    ...(lease.subnet && { subnet: formatCidr(lease.subnet) }),
    ...(lease.subnetV6 && { subnetV6: formatCidr(lease.subnetV6) }),
    ...(lease.publicIp && { publicIp: formatIp(lease.publicIp) }),
    ...(lease.publicIpV6 && { publicIpV6: formatIp(lease.publicIpV6) }),
    backend: {
      type: lease.backend.type,
      ...(lease.backend.data !== undefined && { data: lease.backend.data }),
      ...(lease.backend.v6Data !== undefined && { v6Data: lease.backend.v6Data }),
    },
    // JSON has no infinity.
    ...(Number.isFinite(lease.expiresAt) && { expiresAt: lease.expiresAt }),
  };
}

/** Reads what `leaseToJson` made; `undefined` for anything else. */
export function leaseFromJson(value: unknown): NodeLease | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const json = value as Record<string, unknown>;
  const backend = json['backend'];
  if (typeof json['node'] !== 'string' || typeof backend !== 'object' || backend === null) return undefined;
  const { type, data, v6Data } = backend as { type?: unknown; data?: Json; v6Data?: Json };
  if (typeof type !== 'string') return undefined;
  const cidr = (key: string): Cidr | undefined => {
    const text = json[key];
    return typeof text === 'string' ? parseCidr(text) : undefined;
  };
  const ip = (key: string): Ip | undefined => {
    const text = json[key];
    return typeof text === 'string' ? parseIp(text) : undefined;
  };
  const subnet = cidr('subnet');
  const subnetV6 = cidr('subnetV6');
  const publicIp = ip('publicIp');
  const publicIpV6 = ip('publicIpV6');
  const expiresAt = json['expiresAt'];
  return {
    node: json['node'],
    ...(subnet && { subnet }),
    ...(subnetV6 && { subnetV6 }),
    ...(publicIp && { publicIp }),
    ...(publicIpV6 && { publicIpV6 }),
    backend: { type, ...(data !== undefined && { data }), ...(v6Data !== undefined && { v6Data }) },
    expiresAt: typeof expiresAt === 'number' ? expiresAt : Number.POSITIVE_INFINITY,
  };
}

/** The JSON text of each lease that was written once: leases are never changed, and the state file has thousands. */
const texts = new WeakMap<NodeLease, string>();

/** `leaseToJson` as text. */
export function leaseText(lease: NodeLease): string {
  let text = texts.get(lease);
  if (text === undefined) {
    text = JSON.stringify(leaseToJson(lease));
    texts.set(lease, text);
  }
  return text;
}

/** True if two leases differ at most in when they end. */
export function sameButExpiry(a: NodeLease, b: NodeLease): boolean {
  if (a === b) return true;
  return (
    a.node === b.node &&
    sameCidr(a.subnet, b.subnet) &&
    sameCidr(a.subnetV6, b.subnetV6) &&
    sameIp(a.publicIp, b.publicIp) &&
    sameIp(a.publicIpV6, b.publicIpV6) &&
    a.backend.type === b.backend.type &&
    sameJson(a.backend.data, b.backend.data) &&
    sameJson(a.backend.v6Data, b.backend.v6Data)
  );
}

function sameCidr(a: Cidr | undefined, b: Cidr | undefined): boolean {
  return a && b ? cidrEquals(a, b) : a === b;
}

function sameIp(a: Ip | undefined, b: Ip | undefined): boolean {
  return a && b ? ipEquals(a, b) : a === b;
}

/** Backend data that says the same in another order counts as another: peers then get it again. */
function sameJson(a: Json | undefined, b: Json | undefined): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
