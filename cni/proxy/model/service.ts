/**
 * What is kept of a Service. Lenient: what cannot be read is left out and told, the rest works, as an API server of another
 * version may allow what this program does not know. Pure.
 */

import { type Cidr, parseCidr } from '../../../shared/ip/cidr.ts';
import type { Service } from '../../../shared/kube/types.ts';
import { type Address, parseAddress } from './endpoint.ts';
import { PROTOCOL_NUMBER, type Protocol } from './service-port.ts';

/** core/v1 DefaultClientIPServiceAffinitySeconds. */
const DEFAULT_AFFINITY_SECONDS = 10_800;

export interface ServiceInfo {
  /** `namespace/name`. */
  readonly key: string;
  /** RFC 3339; of two that claim one frontend the older one has it. */
  readonly created: string;
  /** Of both families, as everything here. At most one a family. */
  readonly clusterIps: readonly Address[];
  readonly ports: readonly PortInfo[];
  readonly externalIps: readonly Address[];
  readonly loadBalancerIps: readonly Address[];
  /** Who may use the load balancer's addresses; absent: everybody. */
  readonly sourceRanges?: readonly Cidr[];
  readonly internalPolicy: 'cluster' | 'local';
  readonly externalPolicy: 'cluster' | 'local';
  /** Seconds. */
  readonly affinity?: number;
  /** Where a load balancer asks whether there are endpoints on this node. */
  readonly healthCheckPort?: number;
  /** What was left out, and why. */
  readonly problems: readonly string[];
}

export interface PortInfo {
  /** May be empty. */
  readonly name: string;
  readonly protocol: Protocol;
  readonly port: number;
  readonly nodePort?: number;
}

/** `undefined` for what has no address of its own: headless ones, and names of others' (ExternalName). */
export function projectService(service: Service): ServiceInfo | undefined {
  const { metadata, spec = {}, status } = service;
  const { clusterIP = '', type = 'ClusterIP' } = spec;
  if (type === 'ExternalName' || clusterIP === '' || clusterIP === 'None') return undefined;
  const problems: string[] = [];
  const addresses = (what: string, texts: readonly string[]): Address[] =>
    known(texts, parseAddress, (text) => problems.push(`${what} "${text}" is no address`));
  const externalIps = addresses('the external IP', list(spec.externalIPs));
  const ingress = list(status?.loadBalancer?.ingress);
  // ipMode Proxy: packets come with the node's address, and the balancer's is nobody's business here.
  const virtual = ingress.filter(({ ipMode }) => ipMode === undefined || ipMode === 'VIP');
  const isFromOutside =
    type === 'LoadBalancer' || type === 'NodePort' || (type === 'ClusterIP' && externalIps.length > 0);
  const externalPolicy = isFromOutside && spec.externalTrafficPolicy === 'Local' ? 'local' : 'cluster';
  const check = type === 'LoadBalancer' && externalPolicy === 'local' ? spec.healthCheckNodePort : undefined;
  const ranges = list(spec.loadBalancerSourceRanges).map((text) => String(text).trim());
  const sourceRanges = known(ranges, parseCidr, (text) =>
    problems.push(`the source range "${text}" is no network`),
  );
  const affinity =
    spec.sessionAffinity === 'ClientIP'
      ? (spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? DEFAULT_AFFINITY_SECONDS)
      : undefined;
  return {
    key: `${metadata.namespace ?? ''}/${metadata.name}`,
    created: metadata.creationTimestamp ?? '',
    clusterIps: addresses('the cluster IP', spec.clusterIPs?.length ? spec.clusterIPs : [clusterIP]),
    ports: list(spec.ports).flatMap((port) => portInfo(port, problems) ?? []),
    externalIps,
    loadBalancerIps: addresses(
      "the load balancer's IP",
      known(virtual, ({ ip }) => ip || undefined),
    ),
    // Ranges that cannot be read allow nobody: fewer than was wanted, never more.
    ...(ranges.length > 0 && { sourceRanges }),
    internalPolicy: spec.internalTrafficPolicy === 'Local' ? 'local' : 'cluster',
    externalPolicy,
    ...(isPositive(affinity) && { affinity }),
    ...(isPort(check) && { healthCheckPort: check }),
    problems,
  };
}

function portInfo(
  { name = '', protocol = 'TCP', port, nodePort }: NonNullable<NonNullable<Service['spec']>['ports']>[number],
  problems: string[],
): PortInfo | undefined {
  if (!isProtocol(protocol) || !isPort(port)) {
    problems.push(`port ${name || port} (${protocol}) cannot be served`);
    return undefined;
  }
  return { name, protocol, port, ...(isPort(nodePort) && { nodePort }) };
}

export function isProtocol(text: unknown): text is Protocol {
  return typeof text === 'string' && Object.hasOwn(PROTOCOL_NUMBER, text);
}

export function isPort(port: unknown): port is number {
  return Number.isInteger(port) && (port as number) > 0 && (port as number) < 65_536;
}

function isPositive(value: unknown): value is number {
  return typeof value === 'number' && value > 0;
}

/** Null is as good as nothing, as in Go. */
function list<T>(items: readonly T[] | null | undefined): readonly T[] {
  return Array.isArray(items) ? items.filter((item) => item !== null) : [];
}

/** What can be read of them, once each. */
function known<T, R>(
  items: readonly T[],
  read: (item: T) => R | undefined,
  otherwise?: (item: T) => void,
): R[] {
  const found = new Set<R>();
  for (const item of items) {
    const value = typeof item === 'string' || typeof item === 'object' ? read(item) : undefined;
    if (value === undefined) otherwise?.(item);
    else found.add(value);
  }
  return [...found];
}
