/**
 * VXLAN (RFC 7348) as flannel lays it out: a device per family, and per peer a permanent neighbour, a forwarding
 * entry and a route. With DirectRouting, peers on the same link get a plain route instead.
 */

import type { BackendConf } from '../../../shared/config/net-conf.ts';
import { type Cidr, overlaps } from '../../../shared/ip/cidr.ts';
import { formatIp, type Ip, ipEquals } from '../../../shared/ip/ip.ts';
import { formatMac } from '../../../shared/ip/mac.ts';
import type { BackendInfo, NodeLease } from '../../../shared/store/registry.ts';
import { macKey } from '../network/bytes.ts';
import type { DesiredDevice, DesiredFdb, DesiredNeighbour, DesiredRoute } from '../network/desired.ts';
import { linkNamed, type ObservedNetwork } from '../network/observed.ts';
import type { Underlay } from '../underlay.ts';
import type { Backend, Desired, DesiredInput, SkippedPeer, Underlays } from './backend.ts';
import { newVtepMac, parseVxlanData, vxlanData } from './vxlan-data.ts';
import { type VxlanOptions, vxlanOptions } from './vxlan-options.ts';

/**
 * What the outer headers take from the underlay's MTU, in bytes: Ethernet 14, VXLAN 8, UDP 8, and IPv4 20 or IPv6 40.
 * (flanneld takes 50 for both, too little for IPv6: flannel #1781.)
 */
const OVERHEAD = { 4: 50, 6: 70 } as const;

/** See BackendBuilder. */
export function vxlan(conf: BackendConf, families: { readonly v4: boolean; readonly v6: boolean }): Backend {
  const options = vxlanOptions(conf);
  const names = { 4: `flannel.${options.vni}`, 6: `flannel-v6.${options.vni}` } as const;
  return {
    type: 'vxlan',
    directRouting: options.directRouting,
    devices: [...(families.v4 ? [names[4]] : []), ...(families.v6 ? [names[6]] : [])],

    publish(before: NodeLease | undefined, observed: ObservedNetwork): BackendInfo {
      const kept = before?.backend.type === 'vxlan' ? before.backend : undefined;
      const mac = (data: unknown, device: string): Uint8Array =>
        parseVxlanData(data)?.mac ?? macOfVxlan(observed, device) ?? newVtepMac();
      return {
        type: 'vxlan',
        ...(families.v4 && { data: vxlanData(options.vni, mac(kept?.data, names[4])) }),
        ...(families.v6 && { v6Data: vxlanData(options.vni, mac(kept?.v6Data, names[6])) }),
      };
    },

    podMtu({ v4, v6 }: Underlays): number {
      return Math.min(
        ...[v4, v6].filter((underlay) => underlay !== undefined).map((at) => deviceMtu(at, options)),
      );
    },

    desired(input: DesiredInput): Desired {
      const skipped: SkippedPeer[] = [];
      const v4 = familyOf(4, input, names[4], options, skipped);
      const v6 = familyOf(6, input, names[6], options, skipped);
      return {
        network: {
          devices: [...v4.devices, ...v6.devices],
          neighbours: [...v4.neighbours, ...v6.neighbours],
          fdb: [...v4.fdb, ...v6.fdb],
          routes: [...v4.routes, ...v6.routes],
        },
        skipped,
      };
    },
  };
}

interface FamilyParts {
  readonly devices: DesiredDevice[];
  readonly neighbours: DesiredNeighbour[];
  readonly fdb: DesiredFdb[];
  readonly routes: DesiredRoute[];
}

/** What one lease says about one family. */
interface Half {
  readonly subnet: Cidr | undefined;
  readonly publicIp: Ip | undefined;
  readonly data: unknown;
}

function halfOf(lease: NodeLease, family: 4 | 6): Half {
  return family === 4
    ? { subnet: lease.subnet, publicIp: lease.publicIp, data: lease.backend.data }
    : { subnet: lease.subnetV6, publicIp: lease.publicIpV6, data: lease.backend.v6Data };
}

function familyOf(
  family: 4 | 6,
  { lease, underlays, peers, direct }: DesiredInput,
  device: string,
  options: VxlanOptions,
  skipped: SkippedPeer[],
): FamilyParts {
  const parts: FamilyParts = { devices: [], neighbours: [], fdb: [], routes: [] };
  const own = halfOf(lease, family);
  const underlay = family === 4 ? underlays.v4 : underlays.v6;
  const ownData = parseVxlanData(own.data);
  if (!own.subnet || !underlay || !ownData) return parts;

  parts.devices.push({
    name: device,
    mac: ownData.mac,
    mtu: deviceMtu(underlay, options),
    addresses: [{ ip: own.subnet.ip, prefix: family === 4 ? 32 : 128 }],
    vxlan: {
      vni: options.vni,
      port: options.port,
      local: underlay.address,
      underlay: underlay.index,
      learning: options.learning,
      gbp: options.gbp,
    },
  });

  /** Owners of MACs: of two nodes with the same one, frames could reach only one. */
  const owners = new Map<number, string>([[macKey(ownData.mac), lease.node]]);
  for (const peer of peers) {
    const half = halfOf(peer, family);
    if (!half.subnet) continue;
    const reach = reachOf(half, peer, own.subnet, underlay, options);
    if (typeof reach === 'string') {
      skipped.push({ node: peer.node, why: reach });
      continue;
    }
    const { subnet, publicIp, mac } = reach;
    const interfaceName = options.directRouting ? direct.get(formatIp(publicIp)) : undefined;
    if (interfaceName !== undefined) {
      parts.routes.push({ destination: subnet, gateway: publicIp, device: interfaceName, onlink: false });
      continue;
    }
    const owner = owners.get(macKey(mac));
    if (owner !== undefined) {
      skipped.push({ node: peer.node, why: `its VtepMAC ${formatMac(mac)} is that of ${owner}` });
      continue;
    }
    owners.set(macKey(mac), peer.node);
    parts.neighbours.push({ device, ip: subnet.ip, mac });
    parts.fdb.push({ device, mac, destination: publicIp });
    parts.routes.push({ destination: subnet, gateway: subnet.ip, device, onlink: true });
  }
  return parts;
}

/** How to reach a peer, or why it cannot be reached. */
function reachOf(
  half: Half,
  peer: NodeLease,
  ownSubnet: Cidr,
  underlay: Underlay,
  options: VxlanOptions,
): { readonly subnet: Cidr; readonly publicIp: Ip; readonly mac: Uint8Array } | string {
  const { subnet, publicIp } = half;
  if (!subnet || !publicIp) return 'it published no public address';
  if (peer.backend.type !== 'vxlan') return `its backend is ${peer.backend.type}, ours is vxlan`;
  const data = parseVxlanData(half.data);
  if (!data) return 'it published no VtepMAC';
  if (data.vni !== undefined && data.vni !== options.vni)
    return `its VNI is ${data.vni}, ours is ${options.vni}`;
  if (ipEquals(publicIp, underlay.publicIp)) return `its public address ${formatIp(publicIp)} is our own`;
  // Subnets of one length, which is the rule, overlap only if they are the same: a comparison instead of arithmetic.
  const clash =
    subnet.prefix === ownSubnet.prefix ? ipEquals(subnet.ip, ownSubnet.ip) : overlaps(subnet, ownSubnet);
  if (clash) return 'its subnet overlaps our own';
  return { subnet, publicIp, mac: data.mac };
}

function deviceMtu(underlay: Underlay, options: VxlanOptions): number {
  // A larger one than the underlay carries would lose packets; the kernel refuses it, too.
  const outer = options.mtu === undefined ? underlay.mtu : Math.min(options.mtu, underlay.mtu);
  return outer - OVERHEAD[underlay.family];
}

function macOfVxlan(observed: ObservedNetwork, name: string): Uint8Array | undefined {
  const link = linkNamed(observed, name);
  return link?.kind?.kind === 'vxlan' ? link.mac : undefined;
}
