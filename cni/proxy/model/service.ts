/**
 * What is kept of a Service. Lenient: what cannot be read is left out and told, the rest works, as an API server of another
 * version may allow what this program does not know. Pure.
 */

import type { Cidr } from '../../../shared/ip/cidr.ts';
import type { Service } from '../../../shared/kube/types.ts';
import type { Address } from './endpoint.ts';
import {
  addressIn,
  type Fields,
  few,
  fieldsOf,
  isName,
  isUnicast,
  itemsOf,
  nameOr,
  networkIn,
  numberOf,
  portNumberOf,
  protocolOf,
  shown,
  textOf,
} from './lenient.ts';
import type { Protocol } from './service-port.ts';

/** core/v1: DefaultClientIPServiceAffinitySeconds, MaxClientIPServiceAffinitySeconds. */
const DEFAULT_AFFINITY_SECONDS = 10_800;
const MOST_AFFINITY_SECONDS = 86_400;

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
  /** Some of its ranges could not be read. */
  readonly isRangeMissing?: true;
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

const NONE: readonly never[] = [];

/**
 * Never throws.
 *
 * @returns `undefined` for what has no address of its own (headless ones, and names of others': ExternalName), and for what
 * has no name that could be one
 */
export function projectService(service: Service): ServiceInfo | undefined {
  const { metadata, spec: fields, status } = fieldsOf(service);
  const { namespace, name, creationTimestamp } = fieldsOf(metadata);
  if (!isName(namespace) || !isName(name)) return undefined;
  const spec = fieldsOf(fields);
  const type = textOf(spec['type']) ?? 'ClusterIP';
  const clusterIp = textOf(spec['clusterIP']) ?? '';
  if (type === 'ExternalName' || clusterIp === '' || clusterIp === 'None') return undefined;

  const problems: string[] = [];
  const all = itemsOf(spec['clusterIPs']);
  const externalIps = addressesOf('external IP', itemsOf(spec['externalIPs']), problems);
  const isFromOutside =
    type === 'LoadBalancer' || type === 'NodePort' || (type === 'ClusterIP' && externalIps.length > 0);
  const externalPolicy = isFromOutside && spec['externalTrafficPolicy'] === 'Local' ? 'local' : 'cluster';
  const check = type === 'LoadBalancer' && externalPolicy === 'local' ? spec['healthCheckNodePort'] : 0;
  const healthCheckPort = portNumberOf(check);
  const affinity = spec['sessionAffinity'] === 'ClientIP' ? affinityOf(spec, problems) : undefined;
  return {
    key: `${namespace}/${name}`,
    created: textOf(creationTimestamp) ?? '',
    clusterIps: addressesOf('cluster IP', all.length > 0 ? all : [clusterIp], problems),
    ports: portsOf(itemsOf(spec['ports']), problems),
    externalIps,
    loadBalancerIps: addressesOf("load balancer's IP", virtualIps(status), problems),
    ...rangesOf(itemsOf(spec['loadBalancerSourceRanges']), problems),
    internalPolicy: spec['internalTrafficPolicy'] === 'Local' ? 'local' : 'cluster',
    externalPolicy,
    ...(affinity !== undefined && { affinity }),
    ...(healthCheckPort !== undefined && { healthCheckPort }),
    problems: few(problems),
  };
}

/** Each once. Empty texts were allowed once, and mean nothing. */
function addressesOf(what: string, values: readonly unknown[], problems: string[]): readonly Address[] {
  if (values.length === 0) return NONE;
  const found: Address[] = [];
  for (const value of values) {
    const address = addressIn(value);
    if (address === undefined) {
      if (!isBlank(value)) problems.push(`the ${what} ${shown(value)} is no address`);
    } else if (!isUnicast(address)) problems.push(`the ${what} ${shown(value)} cannot be a service's`);
    else if (!found.includes(address)) found.push(address);
  }
  return found;
}

/** With ipMode Proxy packets come with the node's address, and the balancer's is nobody's business here. */
function virtualIps(status: unknown): readonly unknown[] {
  const ingress = itemsOf(fieldsOf(fieldsOf(status)['loadBalancer'])['ingress']);
  return ingress.flatMap((entry) => {
    const { ip, ipMode } = fieldsOf(entry);
    const isVirtual = ipMode === undefined || ipMode === null || ipMode === 'VIP';
    return isVirtual && ip !== undefined && ip !== null ? [ip] : [];
  });
}

/**
 * Ranges that cannot be read allow nobody: fewer than was wanted, never more. Around a range there may be spaces, as its
 * validation once overlooked them.
 */
function rangesOf(
  values: readonly unknown[],
  problems: string[],
): Pick<ServiceInfo, 'sourceRanges' | 'isRangeMissing'> {
  const sourceRanges: Cidr[] = [];
  let isRangeMissing = false;
  for (const value of values) {
    if (isBlank(value)) continue;
    const network = networkIn(value);
    if (network) sourceRanges.push(network);
    else {
      problems.push(`the source range ${shown(value)} is no network`);
      isRangeMissing = true;
    }
  }
  if (sourceRanges.length === 0 && !isRangeMissing) return {};
  return { sourceRanges, ...(isRangeMissing && { isRangeMissing }) };
}

function affinityOf(spec: Fields, problems: string[]): number {
  const { timeoutSeconds } = fieldsOf(fieldsOf(spec['sessionAffinityConfig'])['clientIP']);
  if (timeoutSeconds === undefined || timeoutSeconds === null) return DEFAULT_AFFINITY_SECONDS;
  const seconds = numberOf(timeoutSeconds, 1, MOST_AFFINITY_SECONDS);
  if (seconds === undefined)
    problems.push(
      `clients cannot stay for ${shown(timeoutSeconds)} seconds; they stay for ${DEFAULT_AFFINITY_SECONDS}`,
    );
  return seconds ?? DEFAULT_AFFINITY_SECONDS;
}

function portsOf(values: readonly unknown[], problems: string[]): PortInfo[] {
  return values.flatMap((value) => {
    const { name, protocol, port, nodePort } = fieldsOf(value);
    const known = { name: nameOr(name, ''), protocol: protocolOf(protocol), port: portNumberOf(port) };
    if (known.name === undefined || known.protocol === undefined || known.port === undefined) {
      problems.push(`port ${shown(name || port)} (${shown(protocol ?? 'TCP')}) cannot be served`);
      return [];
    }
    const forNodes = portNumberOf(nodePort);
    if (forNodes === undefined && nodePort !== undefined && nodePort !== null && nodePort !== 0)
      problems.push(`${shown(nodePort)} cannot be a node port`);
    return [{ ...(known as PortInfo), ...(forNodes !== undefined && { nodePort: forNodes }) }];
  });
}

function isBlank(value: unknown): boolean {
  return typeof value === 'string' && value.trim() === '';
}
