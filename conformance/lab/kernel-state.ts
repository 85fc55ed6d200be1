/** What the kernels of the nodes hold about one another, read with ip(8) and bridge(8): not with our own codecs. */
import { readFileSync } from 'node:fs';
import { formatCidr, networkOf, parseCidr } from '../../shared/ip/cidr.ts';
import { formatIp } from '../../shared/ip/ip.ts';
import { CLUSTER, type Family, families, type IpVersions } from './addresses.ts';
import { type BackendName, type LabBackend, labBackend } from './backends.ts';
import type { LabNode } from './node.ts';

export const SUBNET_ENV: string = '/run/flannel/subnet.env';

/** The node's pod networks as its subnet.env has them, in CIDR notation. @throws Error if there is no such file */
export function readSubnets(node: LabNode): Partial<Record<Family, string>> {
  const text = readFileSync(node.path(SUBNET_ENV), 'utf8');
  const value = (key: string): string | undefined => text.match(new RegExp(`^${key}=(.*)$`, 'm'))?.[1];
  const [four, six] = [value('FLANNEL_SUBNET'), value('FLANNEL_IPV6_SUBNET')];
  return { ...(four ? { 4: four } : {}), ...(six ? { 6: six } : {}) };
}

interface LinkJson {
  readonly address: string;
  readonly operstate: string;
}

export interface RouteJson {
  readonly dst: string;
  readonly dev?: string;
  readonly gateway?: string;
}

/** By what a node's peers know it: what must be there while it is a member, and gone when it is not. */
export interface NodeTrace {
  readonly family: Family;
  readonly node: string;
  readonly backend: LabBackend;
  /** Its pod network as `ip route` writes it. */
  readonly network: string;
  /** Address of its own device for other nodes' packets: first of the network. */
  readonly tunnel: string;
  /** MAC of that device; undefined where there is none or its packets have no Ethernet header. */
  readonly mac: string | undefined;
  /** Its underlay address. */
  readonly underlay: string;
}

/** What a lab's nodes have in common, as far as it matters here. */
export interface NetworkKind {
  readonly ipv: IpVersions;
  readonly backend: BackendName;
}

/** Reads what identifies a node, from that node itself, for each family it uses. */
export async function traceOf(node: LabNode, { ipv, backend: name }: NetworkKind): Promise<NodeTrace[]> {
  const traces: NodeTrace[] = [];
  const subnets = readSubnets(node);
  const backend = labBackend(name);
  for (const family of families(ipv)) {
    const subnet = parseCidr(subnets[family] ?? '');
    const device = backend.device(family);
    const links =
      device === undefined ? [] : await node.json<LinkJson[]>('ip', 'link', 'show', 'dev', device);
    const mac = backend.hasEntries ? links[0]?.address : undefined;
    if (subnet === undefined || (backend.hasEntries && mac === undefined)) continue;
    const network = networkOf(subnet);
    traces.push({
      family,
      node: node.name,
      backend,
      network: formatCidr(network),
      tunnel: formatIp(network.ip),
      mac,
      underlay: node.address(family),
    });
  }
  return traces;
}

interface NeighbourJson {
  readonly dst?: string;
  readonly lladdr?: string;
}
interface FdbJson {
  readonly mac: string;
  readonly dst?: string;
}

/** What a node's kernel holds of a peer. */
export interface PeerEntries {
  readonly route: RouteJson | undefined;
  /** The neighbour entry's MAC. */
  readonly neighbour: string | undefined;
  /** Where the FDB sends frames for the peer's MAC. */
  readonly fdb: string | undefined;
}

export async function peerEntries(node: LabNode, trace: NodeTrace): Promise<PeerEntries> {
  const { backend, family } = trace;
  const device = backend.device(family);
  if (backend.name === 'wireguard' && device !== undefined) return wireguardEntries(node, trace, device);
  const routes = await node.json<RouteJson[]>('ip', `-${family}`, 'route', 'show', trace.network);
  if (!backend.hasEntries || device === undefined)
    return { route: routes[0], neighbour: undefined, fdb: undefined };
  const [neighbours, fdb] = await Promise.all([
    node.json<NeighbourJson[]>('ip', `-${family}`, 'neighbour', 'show', 'dev', device).catch(() => []),
    node.json<FdbJson[]>('bridge', 'fdb', 'show', 'dev', device).catch(() => []),
  ]);
  return {
    route: routes[0],
    neighbour: neighbours.find((entry) => entry.dst === trace.tunnel)?.lladdr,
    fdb: fdb.find((entry) => entry.mac === trace.mac)?.dst,
  };
}

/**
 * One route leads into the device for all peers, and each peer's networks are in WireGuard's own table: a peer is there
 * if both have it.
 */
async function wireguardEntries(node: LabNode, trace: NodeTrace, device: string): Promise<PeerEntries> {
  const cluster = CLUSTER[trace.family];
  const [routes, allowed] = await Promise.all([
    node.json<RouteJson[]>('ip', `-${trace.family}`, 'route', 'show', cluster, 'dev', device).catch(() => []),
    node.run(['wg', 'show', device, 'allowed-ips']).catch(() => ''),
  ]);
  const isPeer = allowed.split(/\s+/).includes(trace.network);
  return {
    route: isPeer && routes.length > 0 ? { dst: trace.network, dev: device } : undefined,
    neighbour: undefined,
    fdb: undefined,
  };
}

/**
 * Waits until what a node holds of a peer satisfies `until`, at most `timeout` ms.
 *
 * @returns what it holds at the end, one description an entry
 */
export async function programmedPeer(
  node: LabNode,
  traces: readonly NodeTrace[],
  until: (found: readonly string[]) => boolean,
  timeout: number,
): Promise<string[]> {
  const deadline = performance.now() + timeout;
  for (;;) {
    const found: string[] = [];
    for (const trace of traces) {
      const { route, neighbour, fdb } = await peerEntries(node, trace);
      if (route !== undefined) found.push(`the route to ${trace.network}`);
      if (neighbour !== undefined) found.push(`the neighbour ${trace.tunnel}`);
      if (fdb !== undefined) found.push(`the FDB entry ${trace.mac}`);
    }
    if (until(found) || performance.now() > deadline) return found;
    await Bun.sleep(10);
  }
}

/** Entries that a node holds of peers when they are fully programmed: a route each, and what else the backend has. */
export function entriesOf(traces: readonly NodeTrace[]): number {
  return traces.reduce((sum, { backend }) => sum + (backend.hasEntries ? 3 : 1), 0);
}
