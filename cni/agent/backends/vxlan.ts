/**
 * VXLAN (RFC 7348) as flannel lays it out: a device per family, and per peer a permanent neighbour, a forwarding
 * entry and a route. With DirectRouting, peers on the same link get a plain route instead. Pure.
 */

import type { BackendConf } from '../../../shared/config/net-conf.ts';
import { formatMac } from '../../../shared/ip/mac.ts';
import type { BackendInfo, NodeLease } from '../../../shared/store/registry.ts';
import { bytesEqual, macKey } from '../network/bytes.ts';
import type { DesiredDevice } from '../network/desired.ts';
import { linkNamed, type ObservedNetwork } from '../network/observed.ts';
import type { Underlay } from '../underlay.ts';
import type { Backend, BackendSetting, Base, NodeContext, PeerPath, Underlays } from './backend.ts';
import { clashWithOwn, halfOf, otherBackend, subnetClaim, underlayOf } from './lease-half.ts';
import { newVtepMac, parseVxlanData, type VxlanData, vxlanData } from './vxlan-data.ts';
import { type VxlanOptions, vxlanOptions } from './vxlan-options.ts';

/**
 * What the outer headers take from the underlay's MTU, in bytes: Ethernet 14, VXLAN 8, UDP 8, and IPv4 20 or IPv6 40.
 * (flanneld takes 50 for both, too little for IPv6: flannel #1781.)
 */
const OVERHEAD = { 4: 50, 6: 70 } as const;

/** See BackendBuilder. */
export function vxlan(conf: BackendConf, { networks }: BackendSetting): Backend {
  const options = vxlanOptions(conf);
  const ways = ([4, 6] as const)
    .filter((family) => (family === 4 ? networks.v4 : networks.v6))
    .map((family) => new VxlanFamily(family, options));
  return {
    type: 'vxlan',
    usesDirect: options.directRouting,
    devices: ways.map(({ device }) => device),

    publish(before: NodeLease | undefined, observed: Pick<ObservedNetwork, 'links'>): BackendInfo {
      const kept = before?.backend.type === 'vxlan' ? before.backend : undefined;
      const info: { -readonly [K in keyof BackendInfo]: BackendInfo[K] } = { type: 'vxlan' };
      for (const { family, device } of ways) {
        const data = family === 4 ? kept?.data : kept?.v6Data;
        const mac = parseVxlanData(data)?.mac ?? macOfVxlan(observed, device) ?? newVtepMac();
        info[family === 4 ? 'data' : 'v6Data'] = vxlanData(options.vni, mac);
      }
      return info;
    },

    podMtu({ v4, v6 }: Underlays): number {
      return Math.min(
        ...[v4, v6].filter((underlay) => underlay !== undefined).map((at) => deviceMtu(at, options)),
      );
    },

    base(context: NodeContext): Base {
      return { devices: ways.flatMap((way) => way.base(context) ?? []), routes: [] };
    },

    peer(lease: NodeLease, context: NodeContext): (PeerPath | string)[] {
      const paths: (PeerPath | string)[] = [];
      for (const way of ways) {
        const path = way.peer(lease, context);
        if (path !== undefined) paths.push(path);
      }
      return paths;
    },
  };
}

class VxlanFamily {
  readonly family: 4 | 6;
  readonly device: string;
  readonly #options: VxlanOptions;
  /** What the node itself published, in the form that was last asked for: every peer is compared with it. */
  #own: { readonly data: unknown; readonly parsed: VxlanData | undefined } | undefined;

  constructor(family: 4 | 6, options: VxlanOptions) {
    this.family = family;
    this.device = `${family === 4 ? 'flannel' : 'flannel-v6'}.${options.vni}`;
    this.#options = options;
  }

  base({ lease, underlays }: NodeContext): DesiredDevice | undefined {
    const own = halfOf(lease, this.family);
    const underlay = underlayOf(underlays, this.family);
    const data = parseVxlanData(own.data);
    if (!own.subnet || !underlay || !data) return undefined;
    const { vni, port, learning, gbp } = this.#options;
    return {
      kind: 'vxlan',
      name: this.device,
      mac: data.mac,
      mtu: deviceMtu(underlay, this.#options),
      addresses: [{ ip: own.subnet.ip, prefix: this.family === 4 ? 32 : 128 }],
      vxlan: { vni, port, local: underlay.address, underlay: underlay.index, learning, gbp },
    };
  }

  peer(peer: NodeLease, { lease, underlays, direct }: NodeContext): PeerPath | string | undefined {
    const { subnet, publicIp, data } = halfOf(peer, this.family);
    const own = halfOf(lease, this.family);
    const underlay = underlayOf(underlays, this.family);
    const ownData = this.#parsed(own.data);
    if (!subnet || !own.subnet || !underlay || !ownData) return undefined;
    if (!publicIp) return 'it published no public address';
    const other = otherBackend(peer, 'vxlan');
    if (other !== undefined) return other;
    const parsed = parseVxlanData(data);
    if (!parsed) return 'it published no VtepMAC';
    const { mac, vni } = parsed;
    if (vni !== undefined && vni !== this.#options.vni)
      return `its VNI is ${vni}, ours is ${this.#options.vni}`;
    const clash = clashWithOwn(subnet, publicIp, own, underlay);
    if (clash !== undefined) return clash;

    const interfaceName = this.#options.directRouting ? direct(publicIp) : undefined;
    if (interfaceName !== undefined) {
      const route = { destination: subnet, gateway: publicIp, device: interfaceName, onlink: false };
      return { entries: { routes: [route] }, claims: [subnetClaim(subnet)] };
    }
    // Of two nodes with the same MAC, frames could reach only one.
    if (bytesEqual(mac, ownData.mac)) return `its VtepMAC ${formatMac(mac)} is that of ${lease.node}`;
    const { device } = this;
    return {
      entries: {
        neighbours: [{ device, ip: subnet.ip, mac }],
        fdb: [{ device, mac, destination: publicIp }],
        routes: [{ destination: subnet, gateway: subnet.ip, device, onlink: true }],
      },
      claims: [subnetClaim(subnet), { what: 'VtepMAC', space: device, key: macKey(mac) }],
    };
  }

  #parsed(data: unknown): VxlanData | undefined {
    if (this.#own?.data !== data) this.#own = { data, parsed: parseVxlanData(data) };
    return this.#own?.parsed;
  }
}

function deviceMtu(underlay: Underlay, options: VxlanOptions): number {
  // A larger one than the underlay carries would lose packets; the kernel refuses it, too.
  const outer = options.mtu === undefined ? underlay.mtu : Math.min(options.mtu, underlay.mtu);
  return outer - OVERHEAD[underlay.family];
}

function macOfVxlan(observed: Pick<ObservedNetwork, 'links'>, name: string): Uint8Array | undefined {
  const link = linkNamed(observed, name);
  return link?.kind?.kind === 'vxlan' ? link.mac : undefined;
}
