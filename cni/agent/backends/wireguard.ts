/**
 * WireGuard as flannel lays it out: a device per family (mode `separate`) or one for both, a route to the whole cluster
 * network into it, and each node as a peer that may send from its pods' subnets. Pure.
 */

import type { BackendConf } from '../../../shared/config/net-conf.ts';
import type { Cidr } from '../../../shared/ip/cidr.ts';
import type { BackendInfo, NodeLease } from '../../../shared/store/registry.ts';
import type { DesiredDevice, DesiredRoute } from '../network/desired.ts';
import type { Backend, BackendSetting, Base, NodeContext, PeerPath, Underlays } from './backend.ts';
import { halfOf, underlayOf } from './lease-half.ts';
import { wireguardData } from './wireguard-data.ts';
import { type WireguardOptions, wireguardOptions } from './wireguard-options.ts';
import { type Tunnel, wireguardPath } from './wireguard-peer.ts';

/**
 * What WireGuard takes from the underlay's MTU, in bytes: IPv6 40 (IPv4 takes 20), UDP 8, its own header 16 and tag 16
 * (the WireGuard paper, section 5.4.6).
 */
const OVERHEAD = 80;

/** See BackendBuilder. */
export function wireguard(conf: BackendConf, { networks, wireguardKey }: BackendSetting): Backend {
  const options = wireguardOptions(conf, networks);
  const { privateKey, publicKey } = wireguardKey();
  const tunnels = tunnelsOf(options, networks);
  return {
    type: 'wireguard',
    usesDirect: false,
    devices: tunnels.map(({ device }) => device),

    publish(): BackendInfo {
      return {
        type: 'wireguard',
        ...(networks.v4 && { data: wireguardData(publicKey, options.listenPort) }),
        ...(networks.v6 && { v6Data: wireguardData(publicKey, options.listenPortV6) }),
      };
    },

    podMtu(underlays: Underlays): number {
      return Math.min(...tunnels.map((tunnel) => mtuOf(tunnel, underlays, options)));
    },

    base({ lease, underlays }: NodeContext): Base {
      const devices: DesiredDevice[] = [];
      const routes: DesiredRoute[] = [];
      for (const tunnel of tunnels) {
        const addresses: Cidr[] = [];
        for (const family of tunnel.families) {
          const { subnet } = halfOf(lease, family);
          const network = family === 4 ? networks.v4 : networks.v6;
          if (!subnet || !network) continue;
          addresses.push({ ip: subnet.ip, prefix: family === 4 ? 32 : 128 });
          routes.push({ destination: network, device: tunnel.device, onlink: false });
        }
        devices.push({
          kind: 'wireguard',
          name: tunnel.device,
          mtu: mtuOf(tunnel, underlays, options),
          addresses,
          wireguard: { privateKey, publicKey, listenPort: tunnel.listenPort },
        });
      }
      return { devices, routes };
    },

    peer(lease: NodeLease, context: NodeContext): (PeerPath | string)[] {
      const paths: (PeerPath | string)[] = [];
      for (const tunnel of tunnels) {
        const path = wireguardPath(lease, context, { tunnel, options, publicKey });
        if (path !== undefined) paths.push(path);
      }
      return paths;
    },
  };
}

function tunnelsOf(options: WireguardOptions, networks: BackendSetting['networks']): Tunnel[] {
  const { listenPort, listenPortV6 } = options;
  const families = ([4, 6] as const).filter((family) => (family === 4 ? networks.v4 : networks.v6));
  if (options.mode !== 'separate') return [{ device: 'flannel-wg', families, listenPort }];
  return families.map((family) =>
    family === 4
      ? { device: 'flannel-wg', families: [4], listenPort }
      : { device: 'flannel-wg-v6', families: [6], listenPort: listenPortV6 },
  );
}

function mtuOf({ families }: Tunnel, underlays: Underlays, { mtu }: WireguardOptions): number {
  const outer = families.flatMap((family) => underlayOf(underlays, family)?.mtu ?? []);
  return Math.min(...outer, ...(mtu === undefined ? [] : [mtu])) - OVERHEAD;
}
