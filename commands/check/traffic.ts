/** What nodes send each other for pods, as a firewall sees it. Pure. */

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

/** What the device in the kernel says wins over what the configuration says. */
export function trafficOf(
  status: AgentStatus | undefined,
  backend: BackendConf | undefined,
  links: readonly LinkFact[],
): Traffic {
  const type = status?.backend ?? backend?.type ?? 'vxlan';
  const names = status?.devices.map(({ name }) => name);
  const device = links.find(({ kind, name }) => kind === 'vxlan' && (names?.includes(name) ?? true));
  switch (type) {
    case 'vxlan': {
      const port = device?.port ?? numberOf(backend?.options['Port']) ?? VXLAN_PORT;
      return { kind: 'vxlan', port, what: `UDP port ${port}` };
    }
    case 'wireguard': {
      const port = numberOf(backend?.options['ListenPort']) ?? WIREGUARD_PORT;
      const isSeparate = (backend?.options['Mode'] ?? 'separate') === 'separate';
      const hasV6 = status?.networks.some((network) => network.includes(':'));
      if (!isSeparate || !hasV6) return { kind: 'wireguard', port, what: `UDP port ${port}` };
      const portV6 = numberOf(backend?.options['ListenPortV6']) ?? WIREGUARD_PORT_V6;
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

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' && value > 0 ? value : undefined;
}
