/** Objects as a table, one line each, columns like kubectl's. Pure. */

import { formatCidr } from '../../shared/ip/cidr.ts';
import { formatIp } from '../../shared/ip/ip.ts';
import type { Instant } from '../../shared/store/clock.ts';
import type { KubeObject } from '../../shared/store/kube-object.ts';
import { remainingMs } from '../../shared/store/lease-time.ts';
import { cidrsOf, holderOf, termOf, toNodeInfo } from '../../shared/store/node-object.ts';

/** What cells are made from, besides the object. */
export interface TableContext {
  readonly now: Instant;
  /** The lease of a node, where it has one. */
  readonly leaseOf: (node: string) => KubeObject | undefined;
}

type Cell = (object: KubeObject, context: TableContext) => string;

const age: Cell = (object, { now }) => {
  const created = Date.parse(object.metadata.creationTimestamp ?? '');
  return Number.isNaN(created) ? '<unknown>' : formatAge(now.wallMs - created);
};

const columns: Readonly<Record<string, readonly [string, Cell][]>> = {
  Node: [
    ['PODCIDR', (node) => list(cidrsOf(node).map(formatCidr))],
    [
      'PUBLIC-IP',
      (node) => {
        const { publicIp, publicIpV6 } = toNodeInfo(node);
        return list([publicIp, publicIpV6].filter((ip) => ip !== undefined).map(formatIp));
      },
    ],
    ['BACKEND', (node) => toNodeInfo(node).backend.type || '<none>'],
    ['LEASE', (node, context) => leaseLeft(context.leaseOf(node.metadata.name), context.now)],
  ],
  Pod: [
    ['STATUS', (pod) => text(at(pod, 'status', 'phase'))],
    ['IP', (pod) => text(at(pod, 'status', 'podIP'))],
    ['NODE', (pod) => text(at(pod, 'spec', 'nodeName'))],
    ['AGE', age],
  ],
  Service: [
    ['TYPE', (service) => text(at(service, 'spec', 'type'), 'ClusterIP')],
    ['CLUSTER-IP', (service) => text(at(service, 'spec', 'clusterIP'))],
    ['PORT(S)', (service) => list(items(at(service, 'spec', 'ports')).map(servicePort))],
    ['AGE', age],
  ],
  EndpointSlice: [
    ['ADDRESSTYPE', (slice) => text(at(slice, 'addressType'))],
    ['PORTS', (slice) => list(items(at(slice, 'ports')).map((port) => text(port['port'])))],
    ['ENDPOINTS', endpoints],
    ['AGE', age],
  ],
  NetworkPolicy: [
    ['POD-SELECTOR', (policy) => labels(at(policy, 'spec', 'podSelector', 'matchLabels'))],
    ['AGE', age],
  ],
  Namespace: [['AGE', age]],
  Lease: [
    ['HOLDER', (lease) => holderOf(lease) ?? '<none>'],
    ['LEASE', (lease, { now }) => leaseLeft(lease, now)],
    ['AGE', age],
  ],
};

/** @param withNamespace puts the namespace first, for lists over all of them */
export function formatTable(
  kind: string,
  objects: readonly KubeObject[],
  context: TableContext,
  withNamespace: boolean,
): string {
  const own = columns[kind] ?? [];
  const heads = [...(withNamespace ? ['NAMESPACE'] : []), 'NAME', ...own.map(([head]) => head)];
  const rows = objects.map((object) => [
    ...(withNamespace ? [object.metadata.namespace ?? ''] : []),
    object.metadata.name,
    ...own.map(([, cell]) => cell(object, context)),
  ]);
  const widths = heads.map((head, column) =>
    Math.max(head.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('   ')
      .trimEnd();
  return [heads, ...rows].map((row) => `${line(row)}\n`).join('');
}

/** `23h59m`: how long a lease has to go. */
function leaseLeft(lease: KubeObject | undefined, now: Instant): string {
  // A Node without a lease is an operator's reservation.
  if (lease === undefined) return '<none>';
  const term = termOf(lease);
  const left = term === undefined ? 0 : remainingMs(term, now);
  if (left <= 0) return 'expired';
  const minutes = Math.floor(left / 60_000);
  if (minutes === 0) return `${Math.ceil(left / 1000)}s`;
  return minutes < 60 ? `${minutes}m` : `${Math.floor(minutes / 60)}h${minutes % 60}m`;
}

/** As kubectl: one unit, coarser as it grows. */
function formatAge(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 2 * 3600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}

function servicePort(port: Readonly<Record<string, unknown>>): string {
  const node = port['nodePort'] === undefined ? '' : `:${text(port['nodePort'])}`;
  return `${text(port['port'])}${node}/${text(port['protocol'], 'TCP')}`;
}

function endpoints(slice: KubeObject): string {
  const addresses = items(at(slice, 'endpoints')).flatMap((endpoint) => {
    const value = endpoint['addresses'];
    return Array.isArray(value) ? value.map((address) => text(address)) : [];
  });
  const more = addresses.length - 3;
  return more > 0 ? `${addresses.slice(0, 3).join(',')} + ${more} more` : list(addresses);
}

function labels(value: unknown): string {
  if (!isRecord(value)) return '<none>';
  return list(Object.entries(value).map(([key, entry]) => `${key}=${text(entry)}`));
}

function list(parts: readonly string[]): string {
  return parts.length === 0 ? '<none>' : parts.join(',');
}

function text(value: unknown, or: string = '<none>'): string {
  return value === undefined || value === null || value === '' ? or : String(value);
}

function at(object: Readonly<Record<string, unknown>>, ...path: readonly string[]): unknown {
  return path.reduce<unknown>((value, key) => (isRecord(value) ? value[key] : undefined), object);
}

function items(value: unknown): Readonly<Record<string, unknown>>[] {
  return Array.isArray(value) ? value.filter(isRecord) : [];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
