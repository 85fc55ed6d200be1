/** By which way each peer is reached, and what is known of it answering. Pure. */

import { type Cidr, formatCidr } from '../../shared/ip/cidr.ts';
import { formatIp, type Ip } from '../../shared/ip/ip.ts';
import { NDA } from '../../shared/netlink/codec/ndmsg.ts';
import { type Neighbour, NUD } from '../../shared/netlink/codec/neighbour.ts';
import { u32 } from '../../shared/netlink/codec/read.ts';
import type { NodeLease } from '../../shared/store/registry.ts';
import type { Underlays } from './backends/backend.ts';
import type { DesiredDevice, DesiredRoute, DesiredWireguardPeer } from './network/desired.ts';
import type { ObservedWireguard } from './network/observed.ts';
import { SESSION_MS } from './network/plan-wireguard.ts';
import type { PeerPath } from './status.ts';

/** What shows that a peer is there: an entry of the underlay's neighbour table, or a tunnel's handshake. */
export interface PeerEvidence {
  readonly state: 'reachable' | 'unconfirmed' | 'failed';
  /** How long ago it answered, in milliseconds. */
  readonly replyAgeMs?: number;
  /** Where it was last heard from, if elsewhere than at its public address. */
  readonly endpoint?: string;
  /** What a tunnel has received from it and sent to it. */
  readonly rxBytes?: number;
  readonly txBytes?: number;
}

export interface PeerPathsInput {
  readonly peers: readonly NodeLease[];
  readonly routes: readonly DesiredRoute[];
  readonly wireguardPeers: readonly DesiredWireguardPeer[];
  readonly devices: readonly DesiredDevice[];
  readonly backend: { readonly type: string; readonly devices: readonly string[] };
  readonly underlays: Underlays;
  /** By public address (formatIp), of WireGuard's peers by public key (base64). */
  readonly evidence: ReadonlyMap<string, PeerEvidence>;
  /** ms since the epoch */
  readonly now: number;
}

/** What leads to a subnet. */
interface Way {
  readonly device: string;
  /** Where the evidence of it is found, if not by the public address. */
  readonly key?: string;
}

/** A path for each family by which a peer is reached. */
export function peerPaths(input: PeerPathsInput): PeerPath[] {
  const ways = waysOf(input);
  return input.peers.flatMap((peer) =>
    (
      [
        [peer.subnet, peer.publicIp],
        [peer.subnetV6, peer.publicIpV6],
      ] as const
    ).flatMap(([subnet, publicIp]) => {
      const way = subnet && ways.get(formatCidr(subnet));
      return way && publicIp ? [pathOf(peer.node, subnet as Cidr, publicIp, way, input)] : [];
    }),
  );
}

/** By subnet. WireGuard has one route for all, and the subnets in a table of its own. */
function waysOf({ routes, wireguardPeers }: PeerPathsInput): Map<string, Way> {
  const ways = new Map<string, Way>();
  for (const { destination, device } of routes)
    if (device !== undefined) ways.set(formatCidr(destination), { device });
  for (const { device, publicKey, allowedIps } of wireguardPeers)
    for (const subnet of allowedIps) ways.set(formatCidr(subnet), { device, key: publicKey.toBase64() });
  return ways;
}

function pathOf(node: string, subnet: Cidr, publicIp: Ip, way: Way, input: PeerPathsInput): PeerPath {
  const { backend, devices, underlays, evidence, now } = input;
  const { device } = way;
  const endpoint = formatIp(publicIp);
  const known = evidence.get(way.key ?? endpoint);
  const isTunnel = backend.devices.includes(device);
  const underlay = [underlays.v4, underlays.v6].find((candidate) => candidate?.name === device);
  const mtu = devices.find(({ name }) => name === device)?.mtu ?? underlay?.mtu;
  return {
    node,
    subnet: formatCidr(subnet),
    path: isTunnel ? backend.type : 'direct',
    device,
    endpoint: known?.endpoint ?? endpoint,
    ...(mtu !== undefined && { mtu }),
    ...(known && { state: known.state }),
    ...(known?.replyAgeMs !== undefined && { lastReply: new Date(now - known.replyAgeMs).toISOString() }),
    ...(known?.rxBytes !== undefined && { rxBytes: known.rxBytes }),
    ...(known?.txBytes !== undefined && { txBytes: known.txBytes }),
  };
}

/**
 * What WireGuard knows of its peers, by their keys. One that nothing is sent to has no handshake, so that silence says
 * nothing.
 */
export function wireguardEvidence(devices: readonly ObservedWireguard[]): Map<string, PeerEvidence> {
  const evidence = new Map<string, PeerEvidence>();
  for (const { peers } of devices) {
    for (const { publicKey, endpoint, handshakeAgeMs, rxBytes, txBytes } of peers) {
      const isAlive = handshakeAgeMs !== undefined && handshakeAgeMs < SESSION_MS;
      evidence.set(publicKey.toBase64(), {
        state: isAlive ? 'reachable' : 'unconfirmed',
        ...(handshakeAgeMs !== undefined && { replyAgeMs: handshakeAgeMs }),
        ...(endpoint && { endpoint: formatIp(endpoint.ip) }),
        rxBytes,
        txBytes,
      });
    }
  }
  return evidence;
}

/** Ticks a second of the times in struct nda_cacheinfo (USER_HZ, include/uapi/asm-generic/param.h: HZ of user space). */
const USER_HZ = 100;

/**
 * What an underlay's neighbours say of the peers on the same link. A peer behind a router has no entry there, nor has one
 * that nothing was sent to lately.
 */
export function evidenceOf(neighbours: readonly Neighbour[]): Map<string, PeerEvidence> {
  return new Map(
    neighbours.map((neighbour) => {
      const age = confirmedAgeMs(neighbour);
      const { state } = neighbour;
      return [
        formatIp(neighbour.ip),
        {
          state:
            (state & NUD.REACHABLE) !== 0
              ? 'reachable'
              : (state & NUD.FAILED) !== 0
                ? 'failed'
                : 'unconfirmed',
          ...((state & (NUD.FAILED | NUD.INCOMPLETE)) === 0 && age !== undefined && { replyAgeMs: age }),
        },
      ];
    }),
  );
}

/** ndm_confirmed, the first field of struct nda_cacheinfo (linux/neighbour.h). */
function confirmedAgeMs({ unknown = [] }: Neighbour): number | undefined {
  const info = unknown.find((attribute) => attribute.type === NDA.CACHEINFO);
  return info && info.payload.length >= 4 ? (u32(info.payload) * 1000) / USER_HZ : undefined;
}
