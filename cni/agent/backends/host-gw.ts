/** host-gw as flannel has it: no tunnel, each peer is the gateway to its pods. All nodes must be on one link. Pure. */

import type { BackendConf } from '../../../shared/config/net-conf.ts';
import { formatIp, ipEquals } from '../../../shared/ip/ip.ts';
import type { BackendInfo, NodeLease } from '../../../shared/store/registry.ts';
import type { Backend, BackendSetting, NodeContext, PeerPath, Underlays } from './backend.ts';
import { clashWithOwn, halfOf, otherBackend, subnetClaim, underlayOf } from './lease-half.ts';

/** See BackendBuilder. */
export function hostGw(_conf: BackendConf, { networks }: BackendSetting): Backend {
  const families = ([4, 6] as const).filter((family) => (family === 4 ? networks.v4 : networks.v6));
  return {
    type: 'host-gw',
    usesDirect: true,
    devices: [],

    publish(): BackendInfo {
      // There is nothing to tell: `null` in flannel's annotations, and left out in its etcd keys.
      return { type: 'host-gw' };
    },

    problem({ v4, v6 }: Underlays): string | undefined {
      for (const underlay of [v4, v6]) {
        if (!underlay || ipEquals(underlay.publicIp, underlay.address)) continue;
        const { name, address, publicIp } = underlay;
        return (
          `the public address ${formatIp(publicIp)} is not that of ${name}, ${formatIp(address)}: host-gw does not ` +
          'work through NAT. Drop the setting of a public address, or use another Backend.Type'
        );
      }
      return undefined;
    },

    podMtu: smallestMtu,

    base() {
      return { devices: [], routes: [] };
    },

    peer(lease: NodeLease, context: NodeContext): (PeerPath | string)[] {
      const paths: (PeerPath | string)[] = [];
      for (const family of families) {
        const path = pathTo(lease, family, context);
        if (path !== undefined) paths.push(path);
      }
      return paths;
    },
  };
}

/** The smallest MTU of the interfaces, for backends that add nothing to a packet. */
export function smallestMtu({ v4, v6 }: Underlays): number {
  return Math.min(...[v4, v6].flatMap((underlay) => underlay?.mtu ?? []));
}

function pathTo(
  peer: NodeLease,
  family: 4 | 6,
  { lease, underlays, direct }: NodeContext,
): PeerPath | string | undefined {
  const { subnet, publicIp } = halfOf(peer, family);
  const underlay = underlayOf(underlays, family);
  if (!subnet || !underlay) return undefined;
  if (!publicIp) return 'it published no public address';
  const problem =
    otherBackend(peer, 'host-gw') ?? clashWithOwn(subnet, publicIp, halfOf(lease, family), underlay);
  if (problem !== undefined) return problem;
  const link = direct(publicIp);
  if (link !== underlay.name) {
    const where = link === undefined ? `not on the link of ${underlay.name}` : `on that of ${link}`;
    return `its address ${formatIp(publicIp)} is ${where}: host-gw needs all nodes on the link of ${underlay.name}`;
  }
  return {
    entries: { routes: [{ destination: subnet, gateway: publicIp, device: underlay.name, onlink: false }] },
    claims: [subnetClaim(subnet)],
  };
}
