/** What nodes send each other for pods, as a firewall sees it. Pure. */

import { OptionReader } from '../../cni/agent/backends/option-reader.ts';
import type { AgentStatus } from '../../cni/agent/status.ts';
import type { BackendConf } from '../../shared/config/net-conf.ts';
import type { LinkFact } from './facts.ts';

export type Traffic =
  | {
      readonly kind: 'vxlan' | 'wireguard';
      readonly port: number;
      /** Of IPv6, if another. */
      readonly portV6?: number;
      readonly what: string;
    }
  | { readonly kind: 'ipip'; readonly what: string }
  /** Pods' packets as they are. */
  | { readonly kind: 'plain'; readonly what: string }
  | { readonly kind: 'none' };

/** Linux's default, which is older than the 4789 of RFC 7348, and flannel's. */
const VXLAN_PORT = 8472;
/** WireGuard's own, flannel's ListenPort, and its ListenPortV6. */
const WIREGUARD_PORT = 51820;
const WIREGUARD_PORT_V6 = 51821;
/** flannel's name for WireGuard's device of IPv6 in the mode `separate`. */
const WIREGUARD_DEVICE_V6 = 'flannel-wg-v6';

/** What the device in the kernel says wins over what the configuration says. */
export function trafficOf(
  status: AgentStatus | undefined,
  backend: BackendConf | undefined,
  links: readonly LinkFact[],
): Traffic {
  const type = status?.backend ?? backend?.type ?? 'vxlan';
  const names = status?.devices.map(({ name }) => name);
  const devices = links.filter(({ kind, name }) => kind === type && (names?.includes(name) ?? true));
  const portOf = (key: string): number | undefined =>
    backend && attempt(() => read(backend).number(key, 1, 65535));
  switch (type) {
    case 'vxlan': {
      const port = devices[0]?.port ?? portOf('Port') ?? VXLAN_PORT;
      return { kind: 'vxlan', port, what: `UDP port ${port}` };
    }
    case 'wireguard': {
      const [ofV6, others] = [true, false].map((isV6) =>
        devices.find(({ name }) => (name === WIREGUARD_DEVICE_V6) === isV6),
      );
      const port = others?.port ?? portOf('ListenPort') ?? WIREGUARD_PORT;
      const mode = backend && attempt(() => read(backend).text('Mode'));
      const hasV6 = status?.networks.some((network) => network.includes(':'));
      const isSeparate =
        devices.length > 0 ? ofV6 !== undefined : (mode ?? 'separate') === 'separate' && hasV6;
      if (!isSeparate) return { kind: 'wireguard', port, what: `UDP port ${port}` };
      const portV6 = ofV6?.port ?? portOf('ListenPortV6') ?? WIREGUARD_PORT_V6;
      return { kind: 'wireguard', port, portV6, what: `UDP ports ${port} and ${portV6} (IPv6)` };
    }
    case 'ipip':
      return { kind: 'ipip', what: 'IP protocol 4 (IP-in-IP)' };
    case 'host-gw':
      return { kind: 'plain', what: "the pods' network" };
    default:
      return { kind: 'none' };
  }
}

/** As the agent does: letter case does not matter. */
function read(backend: BackendConf): OptionReader {
  return new OptionReader(backend);
}

/** What is wrong in net-conf.json the agent tells; here it is not known. */
function attempt<T>(from: () => T): T | undefined {
  try {
    return from();
  } catch {
    return undefined;
  }
}
