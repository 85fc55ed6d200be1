/**
 * IPIP (RFC 2003) as flannel lays it out: one device, and per peer a route whose gateway, the peer's address, is where
 * the tunnel sends to. With DirectRouting, peers on the same link get a plain route instead. Pure.
 */

import { type BackendConf, NetConfError } from '../../../shared/config/net-conf.ts';
import type { BackendInfo, NodeLease } from '../../../shared/store/registry.ts';
import type { Backend, BackendSetting, Base, NodeContext, PeerPath, Underlays } from './backend.ts';
import { clashWithOwn, halfOf, otherBackend, subnetClaim } from './lease-half.ts';
import { OptionReader } from './option-reader.ts';

const DEVICE = 'flannel.ipip';
/** The outer IPv4 header, in bytes. */
const OVERHEAD = 20;
/** The least that every IPv4 link carries (RFC 791 section 3.2). */
const LEAST_MTU = 68;

/** See BackendBuilder. */
export function ipip(conf: BackendConf, { networks }: BackendSetting): Backend {
  if (networks.v6) {
    throw new NetConfError(
      'Backend.Type "ipip" carries IPv4 only: set EnableIPv6 to false, or use vxlan, wireguard or host-gw',
    );
  }
  const directRouting = new OptionReader(conf).flag('DirectRouting');
  const mtuOf = ({ v4 }: Underlays): number => (v4?.mtu ?? 0) - OVERHEAD;
  return {
    type: 'ipip',
    usesDirect: directRouting,
    devices: [DEVICE],

    publish(): BackendInfo {
      return { type: 'ipip' };
    },

    problem(underlays: Underlays): string | undefined {
      const { v4 } = underlays;
      return v4 && mtuOf(underlays) < LEAST_MTU
        ? `the MTU of ${v4.name}, ${v4.mtu}, is too small for IPIP, which takes ${OVERHEAD} of it`
        : undefined;
    },

    podMtu: mtuOf,

    base({ lease, underlays }: NodeContext): Base {
      if (!lease.subnet || !underlays.v4) return { devices: [], routes: [] };
      const device = {
        kind: 'ipip',
        name: DEVICE,
        mtu: mtuOf(underlays),
        addresses: [{ ip: lease.subnet.ip, prefix: 32 }],
        ipip: { local: underlays.v4.address },
      } as const;
      return { devices: [device], routes: [] };
    },

    peer(peer: NodeLease, { lease, underlays, direct }: NodeContext): (PeerPath | string)[] {
      const { subnet, publicIp } = halfOf(peer, 4);
      const own = halfOf(lease, 4);
      if (!subnet || !own.subnet || !underlays.v4) return [];
      if (!publicIp) return ['it published no public address'];
      const problem = otherBackend(peer, 'ipip') ?? clashWithOwn(subnet, publicIp, own, underlays.v4);
      if (problem !== undefined) return [problem];
      const link = directRouting ? direct(publicIp) : undefined;
      const route = {
        destination: subnet,
        gateway: publicIp,
        device: link ?? DEVICE,
        onlink: link === undefined,
      };
      return [{ entries: { routes: [route] }, claims: [subnetClaim(subnet)] }];
    },
  };
}
