/** What each of the agent's backends puts into a node's kernel, as the lab looks for it. Pure. */
import { CLUSTER, type Family, families, type IpVersions, UNDERLAY_MTU } from './addresses.ts';

/** flannel's types; `-direct` is their DirectRouting, which all nodes of the lab have between them. */
export const BACKENDS = ['vxlan', 'vxlan-direct', 'host-gw', 'wireguard', 'ipip', 'ipip-direct'] as const;
export type BackendName = (typeof BACKENDS)[number];

export interface LabBackend {
  readonly name: BackendName;
  /** Section `Backend` of net-conf.json. */
  readonly conf: { readonly Type: string; readonly DirectRouting?: true };
  /** The device that carries packets to other nodes; undefined: the underlay's own. */
  device(family: Family): string | undefined;
  /** Bytes that it adds to a pod's packet. */
  overhead(family: Family): number;
  /** Whether a peer has a neighbour and an FDB entry beside its route. */
  readonly hasEntries: boolean;
  /** The link that the kernel must know, as `ip link add` takes its type. */
  readonly link: string | undefined;
  /** Families it carries. */
  readonly carries: readonly Family[];
}

const VXLAN: LabBackend = {
  name: 'vxlan',
  conf: { Type: 'vxlan' },
  device: (family) => (family === 4 ? 'flannel.1' : 'flannel-v6.1'),
  // Outer IP header (20 or 40), UDP 8, VXLAN 8, inner Ethernet 14 (RFC 7348, section 5).
  overhead: (family) => (family === 4 ? 50 : 70),
  hasEntries: true,
  link: 'vxlan id 1 dstport 0',
  carries: [4, 6],
};

const IPIP: LabBackend = {
  name: 'ipip',
  conf: { Type: 'ipip' },
  device: () => 'flannel.ipip',
  overhead: () => 20,
  hasEntries: false,
  // One without any address is there already: tunl0.
  link: 'ipip local 192.0.2.1',
  carries: [4],
};

const ALL: Readonly<Record<BackendName, LabBackend>> = {
  vxlan: VXLAN,
  // The device is there all the same, for nodes behind a router.
  'vxlan-direct': {
    ...VXLAN,
    name: 'vxlan-direct',
    conf: { Type: 'vxlan', DirectRouting: true },
    hasEntries: false,
  },
  'host-gw': {
    name: 'host-gw',
    conf: { Type: 'host-gw' },
    device: () => undefined,
    overhead: () => 0,
    hasEntries: false,
    link: undefined,
    carries: [4, 6],
  },
  wireguard: {
    name: 'wireguard',
    conf: { Type: 'wireguard' },
    device: (family) => (family === 4 ? 'flannel-wg' : 'flannel-wg-v6'),
    // flannel's figure: outer IPv6 40, UDP 8, WireGuard's data message 32.
    overhead: () => 80,
    hasEntries: false,
    link: 'wireguard',
    carries: [4, 6],
  },
  ipip: IPIP,
  'ipip-direct': { ...IPIP, name: 'ipip-direct', conf: { Type: 'ipip', DirectRouting: true } },
};

export function labBackend(name: BackendName): LabBackend {
  return ALL[name];
}

/** Largest packet a pod may send, in bytes, in any family that the lab has: pods have one MTU. */
export function podMtu(ipv: IpVersions, backend: LabBackend): number {
  return UNDERLAY_MTU - Math.max(...families(ipv).map((family) => backend.overhead(family)));
}

/** flannel's net-conf.json for the lab. @param more further keys, such as `EnableNFTables` */
export function netConf(ipv: IpVersions, backend: LabBackend, more: object = {}): string {
  const used = families(ipv);
  const conf = {
    ...(used.includes(4) ? { Network: CLUSTER[4] } : { EnableIPv4: false }),
    ...(used.includes(6) ? { EnableIPv6: true, IPv6Network: CLUSTER[6] } : {}),
    ...more,
    Backend: backend.conf,
  };
  return `${JSON.stringify(conf, undefined, 2)}\n`;
}
