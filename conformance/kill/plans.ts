/**
 * What is killed: each plan is a network in whose operations every state-changing system call can be a kill’s point.
 */

import { pluginTypes } from '../../cni/plugins/registry.ts';
import { bridgeConfig, type Config, underpodConfig, wholeConfig } from '../cni/configs.ts';
import type { Json } from '../cni/fresh-node.ts';
import { behindBridge, type Case } from '../matrix/case.ts';
import { ipamTypes } from '../matrix/cases/ipam.ts';
import { goodCase } from '../matrix/cases.ts';

/** One network. */
export interface Plan {
  readonly name: string;
  readonly config: Config;
  /** The plugin before it. */
  readonly base?: Config;
  /** `ip` command lines that make links of the host. */
  readonly setup?: readonly string[];
  /** The bridge of a node whose very first ADD is killed: see first-add.ts. */
  readonly firstOf?: string;
  /** iptables' programs are those of its legacy tables. */
  readonly legacy?: true;
  /** A type whose features the kernel must have (features.ts). */
  readonly needs?: string;
  /** The share of a sample's points that it gets, 0 to 1. */
  readonly share: number;
  /** The type whose place in a network it shows; undefined for the plans that always run. */
  readonly type?: string;
}

/** The ways a node is set up: the single type, bare and with all its parts; and bridge with what it does besides. */
export const mainPlans: readonly Plan[] = [
  { name: 'underpod', config: underpodConfig(), share: 1 / 2 },
  { name: 'underpod with all parts', config: wholeConfig(), needs: 'bandwidth', share: 1 },
  {
    name: 'bridge with ipMasq',
    config: bridgeConfig({ ipMasq: true, bridge: 'cni1', cniVersion: '1.1.0' }),
    share: 1,
  },
  {
    name: 'bridge with macspoofchk',
    config: bridgeConfig({ macspoofchk: true, bridge: 'cni3', name: 'checked', cniVersion: '1.1.0' }),
    share: 1 / 2,
  },
];

/** Both families: a first ADD turns more switches of the node than a later one. */
const dualStack = bridgeConfig({
  ipMasq: true,
  bridge: 'cni3',
  name: 'dual',
  cniVersion: '1.1.0',
  ipam: { type: 'host-local', ranges: [[{ subnet: '10.24.0.0/16' }], [{ subnet: 'fd00:24::/64' }]] },
});

const firstAddPlans: readonly Plan[] = [
  { name: "underpod, a node's first ADD", config: underpodConfig(), firstOf: 'cni0', share: 1 / 2 },
  {
    name: "underpod with all parts, a node's first ADD",
    config: wholeConfig(),
    firstOf: 'cni4',
    needs: 'bandwidth',
    share: 1,
  },
  { name: "bridge, dual stack, a node's first ADD", config: dualStack, firstOf: 'cni3', share: 1 },
];

const portMappings = [
  { hostPort: 8080, containerPort: 80, protocol: 'tcp' },
  { hostPort: 5353, containerPort: 53, protocol: 'udp' },
];

const limits = { ingressRate: 8e6, ingressBurst: 8e5, egressRate: 16e6, egressBurst: 16e5 };

/** Chained types, by each way that they keep their state, and IPAM types where little is left to give out. */
const chainedPlans: readonly Plan[] = [
  { ...chained('bandwidth', limits), needs: 'bandwidth' },
  chained('portmap', { backend: 'nftables', runtimeConfig: { portMappings } }, 'nftables'),
  chained('portmap', { backend: 'iptables', runtimeConfig: { portMappings } }, 'iptables'),
  { ...chained('portmap', { backend: 'iptables', runtimeConfig: { portMappings } }, 'legacy'), legacy: true },
  chained('firewall', { backend: 'nftables', ingressPolicy: 'same-bridge' }, 'nftables'),
  chained('firewall', { backend: 'iptables' }, 'iptables'),
  // Isolation is left to iptables' programs, and so are legacy tables.
  chained('firewall', { backend: 'iptables', ingressPolicy: 'isolated' }, 'iptables, isolated'),
  { ...chained('firewall', { backend: 'iptables' }, 'legacy'), legacy: true },
  // With a single address one that is not given back fails the next ADD.
  withIpam('host-local, the last address', {
    type: 'host-local',
    ranges: [[{ subnet: '10.80.0.0/24', rangeStart: '10.80.0.9', rangeEnd: '10.80.0.9' }]],
  }),
  withIpam('static, both families', {
    type: 'static',
    addresses: [
      { address: '10.81.0.5/24', gateway: '10.81.0.1' },
      { address: 'fd00:81::5/64', gateway: 'fd00:81::1' },
    ],
    routes: [{ dst: '0.0.0.0/0' }, { dst: '::/0' }],
  }),
];

function chained(type: string, keys: Json, how?: string): Plan {
  return {
    name: `${type}${how === undefined ? '' : ` (${how})`} behind bridge`,
    config: network(`of-${type}`, type, keys),
    base: network(`of-${type}`, 'bridge', behindBridge),
    share: 1 / 8,
  };
}

function withIpam(name: string, ipam: Json): Plan {
  const config = network('of-ipam', 'bridge', { bridge: 'br0', isGateway: true, ipam });
  return { name, config, share: 1 / 8 };
}

function network(name: string, type: string, keys: Json): Config {
  return { ...keys, cniVersion: '1.1.0', name, type };
}

/** The plans that always run. */
export const standardPlans: readonly Plan[] = [...mainPlans, ...firstAddPlans, ...chainedPlans];

/** Every type that has a good case in the matrix, in the place where it stands in a network. */
export const typePlans: readonly Plan[] = pluginTypes.flatMap((type) => {
  const one = goodCase(type);
  return one === undefined ? [] : [planOf(type, one)];
});

function planOf(type: string, one: Case): Plan {
  const isIpam = ipamTypes.some((known) => known.type === type);
  const keys = isIpam ? { bridge: 'br0', ...one.config } : one.config;
  const base = one.base && network(`of-${type}`, String(one.base['type']), one.base);
  return {
    name: `type ${type}`,
    type,
    needs: type,
    config: network(`of-${type}`, isIpam ? 'bridge' : type, keys),
    setup: one.setup ?? [],
    share: 1,
    ...(base && { base }),
  };
}
