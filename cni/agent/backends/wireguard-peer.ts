/** The way to one peer through a WireGuard device. Pure. */

import type { Cidr } from '../../../shared/ip/cidr.ts';
import { formatIp, type Ip, ipEquals } from '../../../shared/ip/ip.ts';
import type { NodeLease } from '../../../shared/store/registry.ts';
import { bytesEqual } from '../network/bytes.ts';
import type { Endpoint } from '../network/desired.ts';
import type { Claim, NodeContext, PeerPath } from './backend.ts';
import { halfOf, otherBackend, overlapsOwn, subnetClaim, underlayOf } from './lease-half.ts';
import { parseWireguardData, type WireguardData } from './wireguard-data.ts';
import type { WireguardOptions } from './wireguard-options.ts';

/** A device and the families of pods' packets that it carries. */
export interface Tunnel {
  readonly device: string;
  readonly families: readonly (4 | 6)[];
  /** UDP port. */
  readonly listenPort: number;
}

export interface TunnelContext {
  readonly tunnel: Tunnel;
  readonly options: WireguardOptions;
  /** The node's own. */
  readonly publicKey: Uint8Array;
}

/** A text says why there is none; `undefined`: the peer has no pods of that family. */
export function wireguardPath(
  peer: NodeLease,
  context: NodeContext,
  { tunnel, options, publicKey }: TunnelContext,
): PeerPath | string | undefined {
  const { device, families } = tunnel;
  const allowedIps: Cidr[] = [];
  const claims: Claim[] = [];
  for (const family of families) {
    const { subnet } = halfOf(peer, family);
    if (!subnet) continue;
    if (overlapsOwn(subnet, halfOf(context.lease, family))) return 'its subnet overlaps our own';
    allowedIps.push(subnet);
    claims.push(subnetClaim(subnet));
  }
  if (allowedIps.length === 0) return undefined;
  const other = otherBackend(peer, 'wireguard');
  if (other !== undefined) return other;
  const data = dataOf(peer, families, options);
  if (!data) return 'it published no PublicKey';
  if (bytesEqual(data.publicKey, publicKey)) return 'its PublicKey is our own: was the key file copied?';
  const ip = endpointAddress(peer, context, tunnel, options);
  if (!ip) return 'it published no public address that can be reached from here';
  const port = data.port ?? tunnel.listenPort;
  const endpoint: Endpoint = { ip, port };
  const own = underlayOf(context.underlays, ip.family);
  // Behind one NAT several nodes have one address, and differ in their ports.
  if (own && ipEquals(own.publicIp, ip) && port === tunnel.listenPort)
    return `its public address ${formatIp(ip)} is our own`;
  claims.push({ what: 'PublicKey', space: device, key: data.publicKey.toHex() });
  const { presharedKey, keepalive } = options;
  const wanted = { device, publicKey: data.publicKey, endpoint, allowedIps, keepalive };
  return {
    entries: { wireguardPeers: [presharedKey ? { ...wanted, presharedKey } : wanted] },
    claims,
  };
}

/**
 * The key, and the port that the device listens on. Where one device carries both families that is the IPv4 one's:
 * flannel publishes ListenPortV6 in any mode, but listens on ListenPort alone.
 */
function dataOf(
  peer: NodeLease,
  families: readonly (4 | 6)[],
  { mode }: WireguardOptions,
): WireguardData | undefined {
  for (const family of families) {
    const data = parseWireguardData(halfOf(peer, family).data);
    if (data) return mode === 'separate' || family === 4 ? data : { publicKey: data.publicKey };
  }
  return undefined;
}

/** Which of a peer's addresses is its endpoint. */
function endpointAddress(
  { publicIp, publicIpV6 }: NodeLease,
  { underlays }: NodeContext,
  { families }: Tunnel,
  { mode }: WireguardOptions,
): Ip | undefined {
  switch (mode) {
    case 'separate':
      return families[0] === 4 ? publicIp : publicIpV6;
    case 'ipv4':
      return publicIp;
    case 'ipv6':
      return publicIpV6;
    case 'auto': {
      const v4 = underlays.v4 ? publicIp : undefined;
      const v6 = underlays.v6 ? publicIpV6 : undefined;
      if (!v4 || !v6) return v4 ?? v6;
      // A public IPv4 address is reached from anywhere; an IPv6 one from a public one; else IPv4 is the likelier.
      if (!isPrivate(v4)) return v4;
      const ownV6 = underlays.v6?.publicIp;
      return !isPrivate(v6) && ownV6 && !isPrivate(ownV6) ? v6 : v4;
    }
    default:
      return mode satisfies never;
  }
}

/** 10/8, 172.16/12, 192.168/16 (RFC 1918) and fc00::/7 (RFC 4193). */
function isPrivate({ family, value }: Ip): boolean {
  if (family === 6) return value >> 121n === 0x7en;
  return value >> 24n === 10n || value >> 20n === 0xac1n || value >> 16n === 0xc0a8n;
}
