/**
 * What becomes of a packet to a service, worked out from the objects alone, the slow and obvious way: a second opinion
 * beside the model, of which it uses nothing. Pure.
 *
 * Rules: kubernetes.io, "Virtual IPs and Service Proxies"; k8s.io/api, core/v1 and discovery/v1.
 */

import { contains, parseCidr } from '../../shared/ip/cidr.ts';
import { parseIp } from '../../shared/ip/ip.ts';
import type { EndpointSlice, Service } from '../../shared/kube/types.ts';

export interface Cluster {
  readonly services: readonly Service[];
  readonly slices: readonly EndpointSlice[];
  /** This node. */
  readonly node: string;
  readonly zone?: string;
  readonly nodeAddress: string;
  readonly detectsLocal: boolean;
  readonly masqueradeAll: boolean;
}

export interface Packet {
  readonly from: 'pod' | 'node' | 'outside';
  readonly source: string;
  /** An address, or `node` for one of this node's. */
  readonly destination: string;
  readonly protocol: string;
  readonly port: number;
}

export type Fate =
  | { readonly to: readonly string[]; readonly masqueraded: boolean }
  | 'reject'
  | 'drop'
  /** Nobody's. */
  | 'pass';

interface Hit {
  readonly service: Service;
  readonly portName: string;
  readonly kind: 'cluster' | 'external' | 'balancer' | 'node';
}

export function fateOf(packet: Packet, cluster: Cluster): Fate {
  const byAge = [...cluster.services].sort((a, b) => (ageOf(a) < ageOf(b) ? -1 : 1));
  for (const service of byAge) {
    const hit = hitOf(packet, service);
    if (hit) return fateOfHit(packet, hit, cluster);
  }
  return 'pass';
}

function ageOf({ metadata }: Service): string {
  return `${metadata.creationTimestamp ?? ''}\0${metadata.namespace}/${metadata.name}`;
}

function hitOf(packet: Packet, service: Service): Hit | undefined {
  const { spec = {}, status } = service;
  if (!spec.clusterIP || spec.clusterIP === 'None' || spec.type === 'ExternalName') return undefined;
  const family = packet.destination.includes(':') ? 6 : 4;
  const clusterIps = spec.clusterIPs?.length ? spec.clusterIPs : [spec.clusterIP];
  if (!clusterIps.some((ip) => parseIp(ip)?.family === family)) return undefined;
  const ports = (spec.ports ?? []).filter((port, at, all) => !isReplaced(port, all.slice(at + 1)));
  for (const port of ports.sort((a, b) => ((a.name ?? '') < (b.name ?? '') ? -1 : 1))) {
    if ((port.protocol ?? 'TCP') !== packet.protocol) continue;
    const portName = port.name ?? '';
    if (packet.destination === 'node') {
      if (port.nodePort && port.nodePort === packet.port) return { service, portName, kind: 'node' };
      continue;
    }
    if (port.port !== packet.port) continue;
    if (clusterIps.includes(packet.destination)) return { service, portName, kind: 'cluster' };
    const balancers = (status?.loadBalancer?.ingress ?? []).filter(
      ({ ipMode }) => (ipMode ?? 'VIP') === 'VIP',
    );
    if (balancers.some(({ ip }) => ip === packet.destination)) return { service, portName, kind: 'balancer' };
    if (spec.externalIPs?.includes(packet.destination)) return { service, portName, kind: 'external' };
  }
  return undefined;
}

type Port = NonNullable<NonNullable<Service['spec']>['ports']>[number];

/** Of ports with one name and protocol the last counts. */
function isReplaced(port: Port, later: readonly Port[]): boolean {
  return later.some(
    ({ name = '', protocol = 'TCP' }) => name === (port.name ?? '') && protocol === (port.protocol ?? 'TCP'),
  );
}

function fateOfHit(packet: Packet, { service, portName, kind }: Hit, cluster: Cluster): Fate {
  const { spec = {} } = service;
  if (kind === 'balancer' && !isAllowed(packet, service, cluster)) return 'drop';
  const family = packet.destination.includes(':') ? 6 : 4;
  const all = endpointsOf(service, portName, packet.protocol, family, cluster);
  const anywhere = anybody(all, cluster);
  const here = lastResort(all.filter(({ node }) => node === cluster.node));
  if (anywhere.length === 0 && here.length === 0) return 'reject';
  if (kind === 'cluster') {
    const to = spec.internalTrafficPolicy === 'Local' ? here : anywhere;
    if (to.length === 0) return 'drop';
    const masqueraded = cluster.masqueradeAll || (cluster.detectsLocal && packet.from !== 'pod');
    return { to: texts(to), masqueraded };
  }
  const { type = 'ClusterIP', externalIPs = [] } = spec;
  // A Service that only an address inside is meant for has no policy for outside, whatever it says.
  const isExternal = type !== 'ClusterIP' || externalIPs.length > 0;
  if (!isExternal || spec.externalTrafficPolicy !== 'Local')
    return { to: texts(anywhere), masqueraded: true };
  if (packet.from === 'pod' && cluster.detectsLocal) return { to: texts(anywhere), masqueraded: false };
  if (packet.from === 'node') return { to: texts(anywhere), masqueraded: true };
  return here.length === 0 ? 'drop' : { to: texts(here), masqueraded: false };
}

/**
 * loadBalancerSourceRanges: each family has its own, and one without any has no limit, unless somebody meant one that cannot
 * be read. A range with the node's address has the balancer's own, too.
 */
function isAllowed(packet: Packet, { spec }: Service, { nodeAddress }: Cluster): boolean {
  const ranges = (spec?.loadBalancerSourceRanges ?? []).map((text) => parseCidr(text.trim()));
  const family = parseIp(packet.source)?.family;
  const own = ranges.filter((range) => range?.ip.family === family);
  if (own.length === 0 && !ranges.includes(undefined)) return true;
  const within = (address: string): boolean => {
    const ip = parseIp(address);
    return own.some((range) => range !== undefined && ip !== undefined && contains(range, ip));
  };
  return within(packet.source) || (packet.source === packet.destination && within(nodeAddress));
}

interface Known {
  readonly text: string;
  readonly node: string | undefined;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  readonly zones: readonly string[];
  readonly nodes: readonly string[];
}

function endpointsOf(
  { metadata }: Service,
  portName: string,
  protocol: string,
  family: 4 | 6,
  { slices, node }: Cluster,
): Known[] {
  const best = new Map<string, Known>();
  // Of two that are as good the one in the slice whose name is first is believed.
  for (const slice of slices.toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))) {
    if (slice.metadata.namespace !== metadata.namespace || slice.addressType !== `IPv${family}`) continue;
    if (slice.metadata.labels?.['kubernetes.io/service-name'] !== metadata.name) continue;
    for (const port of slice.ports ?? []) {
      if ((port.name ?? '') !== portName || (port.protocol ?? 'TCP') !== protocol || !port.port) continue;
      for (const { addresses, conditions = {}, nodeName, hints } of slice.endpoints ?? []) {
        const address = addresses?.[0];
        if (address === undefined || parseIp(address)?.family !== family) continue;
        const one: Known = {
          text: family === 4 ? `${address}:${port.port}` : `[${address}]:${port.port}`,
          node: nodeName,
          ready: conditions.ready ?? true,
          serving: conditions.serving ?? true,
          terminating: conditions.terminating ?? false,
          zones: (hints?.forZones ?? []).map(({ name = '' }) => name),
          nodes: (hints?.forNodes ?? []).map(({ name = '' }) => name),
        };
        const before = best.get(one.text);
        if (!before || isBetter(one, before, node)) best.set(one.text, one);
      }
    }
  }
  return [...best.values()];
}

/** The same endpoint twice: which of them is believed. */
function isBetter(a: Known, b: Known, node: string): boolean {
  if (a.terminating !== b.terminating) return !a.terminating;
  if (a.ready !== b.ready) return a.ready;
  return a.node === node && b.node !== node;
}

function anybody(all: readonly Known[], { node, zone }: Cluster): readonly Known[] {
  const ready = all.filter((one) => one.ready);
  const near = (hints: (one: Known) => readonly string[], here: string | undefined): Known[] | undefined => {
    if (here === undefined || ready.some((one) => hints(one).length === 0)) return undefined;
    const found = ready.filter((one) => hints(one).includes(here));
    return found.length > 0 ? found : undefined;
  };
  const chosen = near(({ nodes }) => nodes, node) ?? near(({ zones }) => zones, zone) ?? ready;
  return chosen.length > 0 ? chosen : all.filter((one) => one.serving && one.terminating);
}

function lastResort(all: readonly Known[]): readonly Known[] {
  const ready = all.filter((one) => one.ready);
  return ready.length > 0 ? ready : all.filter((one) => one.serving && one.terminating);
}

function texts(all: readonly Known[]): string[] {
  return all.map(({ text }) => text).sort();
}
