/** What the kernels of the nodes hold about one another, read with ip(8) and bridge(8): not with our own codecs. */
import { readFileSync } from 'node:fs';
import { formatCidr, networkOf, parseCidr } from '../../shared/ip/cidr.ts';
import { formatIp } from '../../shared/ip/ip.ts';
import { type Family, families, type IpVersions } from './addresses.ts';
import type { LabNode } from './node.ts';

/** flannel's device names. */
export function vxlanDevice(family: Family): string {
  return family === 4 ? 'flannel.1' : 'flannel-v6.1';
}

const SUBNET_ENV = '/run/flannel/subnet.env';

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
  /** Its pod network as `ip route` writes it. */
  readonly network: string;
  /** Address of its VXLAN device: first of the network. */
  readonly tunnel: string;
  /** MAC of its VXLAN device. */
  readonly mac: string;
  /** Its underlay address. */
  readonly underlay: string;
}

/** Reads what identifies a node, from that node itself, for each family it uses. */
export async function traceOf(node: LabNode, ipv: IpVersions): Promise<NodeTrace[]> {
  const traces: NodeTrace[] = [];
  const subnets = readSubnets(node);
  for (const family of families(ipv)) {
    const subnet = parseCidr(subnets[family] ?? '');
    const [link] = await node.json<LinkJson[]>('ip', 'link', 'show', 'dev', vxlanDevice(family));
    if (subnet === undefined || link === undefined) continue;
    const network = networkOf(subnet);
    traces.push({
      family,
      node: node.name,
      network: formatCidr(network),
      tunnel: formatIp(network.ip),
      mac: link.address,
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
  const device = vxlanDevice(trace.family);
  const [routes, neighbours, fdb] = await Promise.all([
    node.json<RouteJson[]>('ip', `-${trace.family}`, 'route', 'show', trace.network),
    node.json<NeighbourJson[]>('ip', `-${trace.family}`, 'neighbour', 'show', 'dev', device).catch(() => []),
    node.json<FdbJson[]>('bridge', 'fdb', 'show', 'dev', device).catch(() => []),
  ]);
  return {
    route: routes[0],
    neighbour: neighbours.find((entry) => entry.dst === trace.tunnel)?.lladdr,
    fdb: fdb.find((entry) => entry.mac === trace.mac)?.dst,
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

/** Entries a node holds of a peer when it is fully programmed: route, neighbour and FDB for each family. */
export const ENTRIES_PER_FAMILY: number = 3;
