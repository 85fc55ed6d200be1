/** Types that come after another, and those that stand for a chain. Pure. */

import type { Case, TypeCases } from '../case.ts';
import { behindBridge } from '../case.ts';

const base = behindBridge;
const first: Case = { name: 'error: nothing before it', config: {} };
const mappings = [
  { hostPort: 8080, containerPort: 80, protocol: 'tcp' },
  { hostPort: 5353, containerPort: 53, protocol: 'udp' },
];
const limits = {
  ingressRate: 8_000_000,
  ingressBurst: 800_000,
  egressRate: 16_000_000,
  egressBurst: 1_600_000,
};
const subnetEnv = {
  '/run/flannel/subnet.env':
    'FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.3.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=false\n',
};

export const chainedTypes: readonly TypeCases[] = [
  {
    type: 'bandwidth',
    cases: [
      { name: 'both directions', base, config: limits },
      {
        name: 'one, of the runtime',
        base,
        config: { runtimeConfig: { bandwidth: { ingressRate: 8_000_000, ingressBurst: 800_000 } } },
      },
      { name: 'no limits', base, config: {} },
      { name: 'error: a rate without a burst', base, config: { ingressRate: 8_000_000 } },
      { name: 'error: a negative rate', base, config: { ingressRate: -8, ingressBurst: 800 } },
      { ...first, config: limits },
    ],
  },
  {
    type: 'firewall',
    // Upstream's refuses 0.3.1.
    versions: ['0.4.0', '1.0.0', '1.1.0'],
    cases: [
      { name: 'iptables', base, config: { backend: 'iptables' } },
      { name: 'iptables, same bridge', base, config: { backend: 'iptables', ingressPolicy: 'same-bridge' } },
      { name: 'iptables, isolated', base, config: { backend: 'iptables', ingressPolicy: 'isolated' } },
      { name: 'error: unknown backend', base, config: { backend: 'pf' } },
      { name: 'error: unknown policy', base, config: { backend: 'iptables', ingressPolicy: 'shut' } },
      { ...first, config: { backend: 'iptables' } },
    ],
  },
  {
    type: 'flannel',
    // Built from the collection in which it was last: v0.9.1 knows 0.4.0 and before.
    versions: ['0.3.1', '0.4.0'],
    cases: [
      {
        name: 'gateway',
        files: subnetEnv,
        config: {
          delegate: { bridge: 'br0', isDefaultGateway: true, hairpinMode: true, ipMasqBackend: 'nftables' },
        },
      },
      {
        name: 'routes of its own',
        files: subnetEnv,
        config: {
          delegate: { bridge: 'br0', ipMasqBackend: 'nftables' },
          ipam: { routes: [{ dst: '10.96.0.0/12' }] },
        },
      },
      { name: 'error: no subnet.env', config: { delegate: { bridge: 'br0' } } },
      {
        name: 'error: half a subnet.env',
        files: { '/run/flannel/subnet.env': 'FLANNEL_MTU=1450\n' },
        config: { delegate: { bridge: 'br0' } },
      },
      { name: 'error: the delegate has a name', files: subnetEnv, config: { delegate: { name: 'x' } } },
      {
        name: 'error: the delegate has IPAM',
        files: subnetEnv,
        config: { delegate: { ipam: { type: 'static' } } },
      },
    ],
  },
  {
    type: 'loopback',
    cases: [
      { name: 'alone', config: {} },
      { name: 'after another', base, config: {} },
    ],
  },
  {
    type: 'portmap',
    cases: [
      { name: 'nftables', base, config: { backend: 'nftables', runtimeConfig: { portMappings: mappings } } },
      {
        name: 'nftables, an address and all masqueraded',
        base,
        config: {
          backend: 'nftables',
          masqAll: true,
          runtimeConfig: { portMappings: [{ ...mappings[0], hostIP: '10.9.0.1' }] },
        },
      },
      {
        name: 'nftables, conditions, no masquerading',
        base,
        config: {
          backend: 'nftables',
          snat: false,
          conditionsV4: ['ip', 'saddr', '!=', '192.0.2.0/24'],
          runtimeConfig: { portMappings: mappings },
        },
      },
      { name: 'iptables', base, config: { backend: 'iptables', runtimeConfig: { portMappings: mappings } } },
      { name: 'no ports', base, config: { runtimeConfig: { portMappings: [] } } },
      {
        name: 'error: unknown protocol',
        base,
        config: { runtimeConfig: { portMappings: [{ ...mappings[0], protocol: 'icmp' }] } },
      },
      {
        name: 'error: port 0',
        base,
        config: { runtimeConfig: { portMappings: [{ ...mappings[0], hostPort: 0 }] } },
      },
      { name: 'error: bit 32', base, config: { markMasqBit: 32, runtimeConfig: { portMappings: mappings } } },
      {
        name: 'error: bit and chain',
        base,
        config: { markMasqBit: 3, externalSetMarkChain: 'X', runtimeConfig: { portMappings: mappings } },
      },
      { ...first, config: { runtimeConfig: { portMappings: mappings } } },
    ],
  },
  {
    type: 'sbr',
    cases: [
      { name: 'both families', base, config: {} },
      { name: 'a table', base, config: { table: 77 } },
      { name: 'gateways of its own', base, config: { gateways: ['10.80.0.9', 'fd00:80::9'] } },
      { name: 'source hints', base, config: { addSourceHints: true } },
      { name: 'error: text for a table', base, config: { table: 'seven' } },
      first,
    ],
  },
  {
    type: 'tuning',
    cases: [
      {
        name: 'switches of the interface',
        base,
        config: { mac: '02:42:00:00:00:09', mtu: 1300, promisc: true, allmulti: true, txQLen: 77 },
      },
      {
        name: 'sysctl',
        base,
        config: { sysctl: { 'net.ipv4.conf.IFNAME.arp_filter': '1', 'net.core.somaxconn': '500' } },
      },
      {
        name: 'MAC address of the runtime',
        base,
        args: 'IgnoreUnknown=1;MAC=02:42:00:00:00:01',
        config: { runtimeConfig: { mac: '02:42:00:00:00:08' } },
      },
      {
        name: 'what args say',
        base,
        config: {
          mtu: 1300,
          promisc: true,
          allmulti: true,
          sysctl: { 'net.core.somaxconn': '500' },
          args: {
            cni: {
              mac: '02:42:00:00:00:07',
              mtu: 1200,
              promisc: false,
              allmulti: false,
              txQLen: 0,
              sysctl: { 'net.core.somaxconn': '501' },
            },
          },
        },
      },
      {
        name: 'parameters of args alone',
        base,
        config: { args: { cni: { sysctl: { 'net.core.somaxconn': '501' } } } },
      },
      { name: 'files elsewhere', base, config: { mtu: 1300, dataDir: '/run/cni/elsewhere' } },
      { name: 'nothing', base, config: {} },
      {
        name: 'a list of what is allowed',
        base,
        files: { '/etc/cni/tuning/allowlist.conf': '^net.core.somaxconn$\n' },
        config: { sysctl: { 'net.core.somaxconn': '502' } },
      },
      {
        name: 'error: not on the list',
        base,
        files: { '/etc/cni/tuning/allowlist.conf': '^net.core.somaxconn$\n' },
        config: { sysctl: { 'net.ipv4.conf.IFNAME.arp_filter': '1' } },
      },
      { name: 'error: not of the network', base, config: { sysctl: { 'vm.swappiness': '1' } } },
      { name: 'error: no such sysctl', base, config: { sysctl: { 'net.core.nowhere': '1' } } },
      { name: 'error: bad MAC address', base, config: { mac: 'x' } },
      {
        name: 'error: an MTU that the kernel refuses',
        base,
        config: { mac: '02:42:00:00:00:09', mtu: 70_000_000 },
      },
      { name: 'error: unknown CNI_ARGS', base, args: 'COLOUR=blue', config: { mtu: 1300 } },
      first,
    ],
  },
  {
    type: 'vrf',
    cases: [
      { name: 'a name', base, config: { vrfname: 'blue' } },
      { name: 'a table', base, config: { vrfname: 'blue', table: 77 } },
      { name: 'error: no name', base, config: {} },
      { name: 'error: text for a table', base, config: { vrfname: 'blue', table: 'seven' } },
      { ...first, config: { vrfname: 'blue' } },
    ],
  },
];
