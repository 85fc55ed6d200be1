/**
 * A node lease as Kubernetes' own objects, both ways. Pure.
 *
 * Two objects make one registration. The Node carries what peers need (spec.podCIDRs and flannel's annotations, as
 * flannel's Kubernetes subnet manager writes them); the Lease of the same name in kube-node-lease says until when the
 * node counts as alive, as the kubelet's does. A Node with podCIDRs but no Lease is a reservation: its subnets are
 * kept for the node of that name, and peers do not see it. Removing the Lease takes away the Node as well if `acquire`
 * made it; an operator's Node stays.
 */

import { type Cidr, formatCidr, parseCidr } from '../ip/cidr.ts';
import { formatIp, type Ip, parseIp } from '../ip/ip.ts';
import type { Instant } from './clock.ts';
import type { KubeObject } from './kube-object.ts';
import { expiresAtMs, isExpired, type LeaseTerm } from './lease-time.ts';
import type { BackendInfo, Json, NodeInfo, NodeLease, WantedSubnets } from './registry.ts';

/** The kubelet's namespace for its node leases. */
export const NODE_LEASE_NAMESPACE = 'kube-node-lease';

/** flannel's default --kube-annotation-prefix. */
const FLANNEL = 'flannel.alpha.coreos.com';
/** Marks a Node that exists only because an agent registered. */
const REGISTERED = 'underpod.io/registered';
/** The boot clock at the last renewal: see lease-time.ts. */
const BOOT_ID = 'underpod.io/boot-id';
const BOOT_MS = 'underpod.io/boot-ms';

type Annotations = Readonly<Record<string, string>>;

function annotationsOf(object: KubeObject): Annotations {
  return object.metadata.annotations ?? {};
}

/**
 * The Node as it is to be stored. Whatever else `previous` holds (labels, taints, an operator's annotations) is kept.
 */
export function toNode(info: NodeInfo, subnets: WantedSubnets, previous?: KubeObject): KubeObject {
  const annotations: Record<string, string> = previous
    ? { ...annotationsOf(previous) }
    : { [REGISTERED]: 'true' };
  for (const key of ['backend-data', 'backend-v6-data', 'public-ip', 'public-ipv6']) {
    delete annotations[`${FLANNEL}/${key}`];
  }
  annotations[`${FLANNEL}/kube-subnet-manager`] = 'true';
  annotations[`${FLANNEL}/backend-type`] = info.backend.type;
  // flannel writes the string "null" for a backend that has nothing to tell.
  if (subnets.subnet) annotations[`${FLANNEL}/backend-data`] = JSON.stringify(info.backend.data ?? null);
  if (subnets.subnetV6)
    annotations[`${FLANNEL}/backend-v6-data`] = JSON.stringify(info.backend.v6Data ?? null);
  if (info.publicIp) annotations[`${FLANNEL}/public-ip`] = formatIp(info.publicIp);
  if (info.publicIpV6) annotations[`${FLANNEL}/public-ipv6`] = formatIp(info.publicIpV6);
  const podCIDRs = [subnets.subnet, subnets.subnetV6]
    .filter((subnet) => subnet !== undefined)
    .map(formatCidr);
  const addresses = [info.publicIp, info.publicIpV6]
    .filter((ip) => ip !== undefined)
    .map((ip) => ({ type: 'InternalIP', address: formatIp(ip) }));
  return {
    ...previous,
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { ...previous?.metadata, name: info.name, annotations },
    spec: { ...asRecord(previous?.['spec']), podCIDR: podCIDRs[0], podCIDRs },
    status: {
      ...asRecord(previous?.['status']),
      addresses: [...addresses, { type: 'Hostname', address: info.name }],
    },
  };
}

/** The Lease that keeps a node alive from `now` for `durationMs`. */
export function toLease(info: NodeInfo, now: Instant, durationMs: number, previous?: KubeObject): KubeObject {
  const time = microTime(now.wallMs);
  const spec = asRecord(previous?.['spec']);
  return {
    ...previous,
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: {
      ...previous?.metadata,
      name: info.name,
      namespace: NODE_LEASE_NAMESPACE,
      annotations: {
        ...(previous && annotationsOf(previous)),
        [BOOT_ID]: now.bootId,
        [BOOT_MS]: String(now.bootMs),
      },
    },
    spec: {
      holderIdentity: info.instance ?? info.name,
      leaseDurationSeconds: Math.ceil(durationMs / 1000),
      acquireTime: typeof spec['acquireTime'] === 'string' ? spec['acquireTime'] : time,
      renewTime: time,
    },
  };
}

/** The subnets that a Node has or reserves; what is no CIDR is left out. */
export function subnetsOf(node: KubeObject): WantedSubnets {
  const spec = asRecord(node['spec']);
  const list = Array.isArray(spec['podCIDRs']) ? spec['podCIDRs'] : [spec['podCIDR']];
  const cidrs = list.map((text) => (typeof text === 'string' ? parseCidr(text) : undefined));
  const subnet = cidrs.find((cidr) => cidr?.ip.family === 4);
  const subnetV6 = cidrs.find((cidr) => cidr?.ip.family === 6);
  return { ...(subnet && { subnet }), ...(subnetV6 && { subnetV6 }) };
}

/** Both families' subnets of a Node in one list. */
export function cidrsOf(node: KubeObject): Cidr[] {
  const { subnet, subnetV6 } = subnetsOf(node);
  return [subnet, subnetV6].filter((cidr) => cidr !== undefined);
}

/** True for a Node that goes when its Lease goes. */
export function isRegistered(node: KubeObject): boolean {
  return annotationsOf(node)[REGISTERED] === 'true';
}

/** Who holds the Lease: the instance id that the node gave, or its name. */
export function holderOf(lease: KubeObject): string | undefined {
  const holder = asRecord(lease['spec'])['holderIdentity'];
  return typeof holder === 'string' ? holder : undefined;
}

/** When the Lease was renewed and for how long; `undefined` where its spec says neither. */
export function termOf(lease: KubeObject): LeaseTerm | undefined {
  const spec = asRecord(lease['spec']);
  const { renewTime, leaseDurationSeconds } = spec as { renewTime?: unknown; leaseDurationSeconds?: unknown };
  const wallMs = typeof renewTime === 'string' ? Date.parse(renewTime) : Number.NaN;
  if (Number.isNaN(wallMs) || typeof leaseDurationSeconds !== 'number') return undefined;
  const annotations = annotationsOf(lease);
  const bootMs = Number(annotations[BOOT_MS] ?? Number.NaN);
  const bootId = Number.isNaN(bootMs) ? '' : (annotations[BOOT_ID] ?? '');
  return { renewed: { wallMs, bootMs, bootId }, durationMs: leaseDurationSeconds * 1000 };
}

/** True if the Lease has run out, or never said for how long it runs. */
export function isLeaseOver(lease: KubeObject, now: Instant): boolean {
  const term = termOf(lease);
  return term === undefined || isExpired(term, now);
}

/** Node and Lease as peers see them; `undefined` where the lease is over. */
export function toNodeLease(node: KubeObject, lease: KubeObject, now: Instant): NodeLease | undefined {
  const term = termOf(lease);
  if (term === undefined || isExpired(term, now)) return undefined;
  const info = toNodeInfo(node);
  return {
    node: info.name,
    ...subnetsOf(node),
    ...(info.publicIp && { publicIp: info.publicIp }),
    ...(info.publicIpV6 && { publicIpV6: info.publicIpV6 }),
    backend: info.backend,
    expiresAt: expiresAtMs(term, now),
  };
}

/** What a Node's annotations say of it. */
export function toNodeInfo(node: KubeObject): NodeInfo {
  const annotations = annotationsOf(node);
  const ip = (key: string): Ip | undefined => parseIp(annotations[`${FLANNEL}/${key}`] ?? '');
  const publicIp = ip('public-ip');
  const publicIpV6 = ip('public-ipv6');
  const data = parseData(annotations[`${FLANNEL}/backend-data`]);
  const v6Data = parseData(annotations[`${FLANNEL}/backend-v6-data`]);
  const backend: BackendInfo = {
    type: annotations[`${FLANNEL}/backend-type`] ?? '',
    ...(data !== undefined && { data }),
    ...(v6Data !== undefined && { v6Data }),
  };
  return {
    name: node.metadata.name,
    ...(publicIp && { publicIp }),
    ...(publicIpV6 && { publicIpV6 }),
    backend,
  };
}

function parseData(text: string | undefined): Json | undefined {
  if (text === undefined) return undefined;
  try {
    return (JSON.parse(text) as Json | null) ?? undefined;
  } catch {
    // Somebody edited the annotation by hand; the peer is then a node whose backend said nothing.
    return undefined;
  }
}

/** meta/v1 MicroTime: RFC 3339 with six decimals. */
function microTime(wallMs: number): string {
  return new Date(wallMs).toISOString().replace('Z', '000Z');
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
