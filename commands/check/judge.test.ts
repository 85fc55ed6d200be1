import { describe, expect, test } from 'vitest';
import type { AgentStatus } from '../../cni/agent/status.ts';
import type { Facts, LinkFact, PeerProbe } from './facts.ts';
import { formatFindings } from './format.ts';
import { judge } from './judge.ts';

const status: AgentStatus = {
  apiVersion: 1,
  program: 'agent',
  version: '0.1.0',
  pid: 7,
  node: 'n1',
  startedAt: '2026-01-01T00:00:00Z',
  ready: true,
  problems: [],
  networks: ['10.244.0.0/16'],
  subnets: ['10.244.1.0/24'],
  backend: 'vxlan',
  devices: [{ name: 'flannel.1', mac: '0a:00:00:00:00:01', mtu: 1450 }],
  podMtu: 1450,
  underlays: [{ interface: 'eth0', address: '192.0.2.1', publicIp: '192.0.2.1', mtu: 1500 }],
  peers: { total: 1, carried: 0, skipped: [] },
  repairs: {},
  repair: true,
  ipMasq: true,
  forwardAccepts: [],
  datastore: {
    type: 'embedded',
    why: '',
    location: '/s.db',
    connected: true,
    leaseUntil: '2026-01-02T00:00:00Z',
  },
};

const link = (index: number, name: string, more: Partial<LinkFact> = {}): LinkFact => ({
  index,
  name,
  kind: '',
  mtu: 1500,
  up: true,
  addresses: [],
  ...more,
});
const answered: PeerProbe = {
  node: 'n2',
  target: '10.244.2.0',
  endpoint: '192.0.2.2',
  small: true,
  full: true,
  outside: true,
};

/** A node on which nothing is wrong. */
const healthy: Facts = {
  agent: status,
  backend: { type: 'vxlan', options: {} },
  features: { nf_tables: 'there', nf_nat: 'loadable', vxlan: 'there' },
  sysctls: {
    'net/ipv4/ip_forward': '1',
    'net/ipv4/conf/eth0/forwarding': '1',
    'net/ipv4/conf/flannel.1/forwarding': '1',
    'net/ipv4/conf/all/rp_filter': '2',
    'net/bridge/bridge-nf-call-iptables': '1',
  },
  links: [
    link(2, 'eth0', { addresses: ['192.0.2.1/24'] }),
    link(3, 'flannel.1', { kind: 'vxlan', mtu: 1450, port: 8472 }),
    link(4, 'cni0', { kind: 'bridge', mtu: 1450, addresses: ['10.244.1.1/24'] }),
    link(5, 'veth1', { kind: 'veth', mtu: 1450, master: 4 }),
  ],
  subnetEnv:
    'FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n',
  forwardDrops: [],
  tunnelInput: { what: 'UDP port 8472', chains: [] },
  dmi: {},
  probes: [answered],
  clockSynchronised: true,
  now: Date.parse('2026-01-01T01:00:00Z'),
};

/** What is found beyond "ok", as severity, check and message. */
function troubles(facts: Partial<Facts>): string[] {
  return judge({ ...healthy, ...facts })
    .filter(({ severity }) => severity !== 'ok')
    .map(({ severity, check, message }) => `${severity} ${check}: ${message}`);
}

const withStatus = (change: Partial<AgentStatus>): Partial<Facts> => ({ agent: { ...status, ...change } });
const withLink = (name: string, change: Partial<LinkFact>): Partial<Facts> => ({
  links: healthy.links.map((one) => (one.name === name ? { ...one, ...change } : one)),
});
const withSysctl = (key: string, value: string | undefined): Partial<Facts> => {
  const { [key]: _, ...rest } = healthy.sysctls;
  return { sysctls: { ...rest, ...(value !== undefined && { [key]: value }) } };
};
const dropping = {
  what: 'UDP port 8472',
  chains: [{ place: 'INPUT of iptables (nft)', verdict: 'dropped' }],
} as const;
const unsure = { what: 'UDP port 8472', chains: [{ place: 'chain in', verdict: 'unsure' }] } as const;
const silent = { ...answered, small: false, full: false };

test('where nothing is wrong, all is well, and each check says so', () => {
  const findings = judge(healthy);
  expect(troubles({})).toEqual([]);
  expect([...new Set(findings.map(({ check }) => check))].sort()).toEqual([
    'agent',
    'br_netfilter',
    'clock',
    'datastore',
    'firewall',
    'forwarding',
    'kernel',
    'lease',
    'mtu',
    'peers',
    'rp_filter',
  ]);
  expect(formatFindings(findings)).toMatch(/\nall is well\n$/);
});

describe('one thing wrong', () => {
  test.each<[string, Partial<Facts>, RegExp[]]>([
    ['no agent', { agent: { why: 'ENOENT' }, probes: [], tunnelInput: undefined }, [/error agent: .*ENOENT/]],
    [
      'not ready',
      withStatus({ ready: false, problems: ['waiting for: underlay'] }),
      [/error agent: .*underlay/],
    ],
    [
      'a part fails',
      withStatus({ problems: ['failing, tried again: forward'] }),
      [/warning agent: .*forward/],
    ],
    ['repairs off', withStatus({ repair: false }), [/notice agent: .*--repair/]],
    ['no subnet.env', { subnetEnv: undefined }, [/error agent: subnet\.env/]],
    [
      'no datastore',
      withStatus({ datastore: { ...status.datastore, connected: false, error: 'refused' } }),
      [/error datastore: .*refused/],
    ],
    ['a lease that ended', { now: Date.parse('2026-01-02T00:05:00Z') }, [/error lease: .*5 minutes ago/]],
    [
      'a lease that ends soon',
      { now: Date.parse('2026-01-01T23:55:00Z') },
      [/warning lease: .*in 5 minutes/],
    ],
    ...(
      [
        ['a short lease that is renewed in time', '2026-01-01T23:56:00Z', []],
        ['a short lease that is not renewed', '2026-01-01T23:54:00Z', [/warning lease: .*in 5 minutes/]],
      ] as const
    ).map(([what, leaseRenewal, expected]): [string, Partial<Facts>, RegExp[]] => [
      what,
      {
        ...withStatus({ datastore: { ...status.datastore, leaseRenewal } }),
        now: Date.parse('2026-01-01T23:55:00Z'),
      },
      [...expected],
    ]),
    [
      'a kernel without VXLAN',
      {
        features: { ...healthy.features, vxlan: 'absent' },
        links: healthy.links.filter(({ kind }) => kind !== 'vxlan'),
      },
      [/error kernel: .*vxlan/, /error mtu: .*missing/],
    ],
    [
      'nothing known of nf_nat',
      { features: { ...healthy.features, nf_nat: 'unknown' } },
      [/notice kernel: .*nf_nat/],
    ],
    ['forwarding off', withSysctl('net/ipv4/ip_forward', '0'), [/error forwarding: .*ip_forward/]],
    ['forwarding off there', withSysctl('net/ipv4/conf/eth0/forwarding', '0'), [/error forwarding: .*eth0/]],
    ['strict on the tunnel, where all are loose', withSysctl('net/ipv4/conf/flannel.1/rp_filter', '1'), []],
    [
      'strict everywhere',
      { sysctls: { ...healthy.sysctls, 'net/ipv4/conf/all/rp_filter': '1' } },
      [/notice rp_filter: eth0/, /error rp_filter: flannel\.1/],
    ],
    [
      'br_netfilter missing',
      withSysctl('net/bridge/bridge-nf-call-iptables', undefined),
      [/notice br_netfilter/],
    ],
    ['no clock', { clockSynchronised: false }, [/notice clock/]],
    ['a small underlay', withLink('eth0', { mtu: 1480 }), [/error mtu: flannel\.1 has MTU 1450.*1480/]],
    [
      'another MTU in subnet.env',
      { subnetEnv: `${healthy.subnetEnv}FLANNEL_MTU=1400\n` },
      [/error mtu: subnet\.env says MTU 1400/, /warning mtu: 1 pods/],
    ],
    ['pods from before', withLink('veth1', { mtu: 1500 }), [/warning mtu: 1 pods on cni0.*1500.*1450/]],
    ['a large bridge', withLink('cni0', { mtu: 1500 }), [/notice mtu: cni0/]],
    [
      'a cloned machine',
      withStatus({
        peers: { total: 2, carried: 0, skipped: [{ node: 'n3', why: 'its VtepMAC x is that of n2' }] },
      }),
      [/error peers: n3 cannot be reached/],
    ],
    [
      'a tunnel that is blocked',
      { probes: [silent] },
      [/error peers: n2 answers at 192\.0\.2\.2, but not through/],
    ],
    [
      'a bridge that does not answer over plain routes',
      { ...withStatus({ backend: 'host-gw', devices: [] }), probes: [silent] },
      [/notice peers: n2 answers at 192\.0\.2\.2, but not at/],
    ],
    ['a node that is down', { probes: [{ ...silent, outside: false }] }, [/error peers: n2 answers neither/]],
    ['a narrow path', { probes: [{ ...answered, full: false }] }, [/error peers: n2 answers small packets/]],
    ['a forward chain that drops', { forwardDrops: ['FORWARD'] }, [/error firewall: FORWARD drops/]],
    [
      'an input chain that drops',
      { tunnelInput: dropping, probes: [silent] },
      [/error peers/, /error firewall: INPUT of iptables \(nft\) drops UDP port 8472/],
    ],
    [
      'an input chain that drops, of which no peer tells',
      { tunnelInput: dropping, probes: [] },
      [/error firewall/],
    ],
    ['one that looks as if, and yet peers answer', { tunnelInput: dropping }, []],
    [
      'one that cannot be judged',
      { tunnelInput: unsure, probes: [] },
      [/notice firewall: chain in may drop/],
    ],
    ['a cloud, where all peers answer', { dmi: { sys_vendor: 'Amazon EC2' } }, []],
    [
      'a cloud, where one does not',
      { dmi: { sys_vendor: 'Amazon EC2' }, probes: [silent] },
      [/error peers/, /warning cloud: .*security group/],
    ],
    ['a cloud, with nobody to ask', { dmi: { sys_vendor: 'Amazon EC2' }, probes: [] }, [/notice cloud/]],
  ])('%s', (_what, facts, expected) => {
    const found = troubles(facts);
    expect(found, found.join('\n')).toHaveLength(expected.length);
    for (const [at, pattern] of expected.entries()) expect(found[at]).toMatch(pattern);
  });
});

test('of many silent nodes a few are named, and the local rule that drops is told', () => {
  const probes = Array.from({ length: 30 }, (_, n) => ({ ...silent, node: `n${n}` }));
  const peers = judge({ ...healthy, probes, tunnelInput: dropping }).filter(({ check }) => check === 'peers');
  expect(peers).toHaveLength(6);
  expect(peers[0]?.advice).toContain('on this node INPUT of iptables (nft) drops it');
  expect(peers[5]?.message).toContain('25 more');
});

test('the text has a line a finding, its advice below, and counts', () => {
  expect(
    formatFindings([
      { check: 'mtu', severity: 'ok', message: 'fits', advice: 'none' },
      { check: 'peers', severity: 'error', message: 'n2 is silent', advice: 'wake it' },
      { check: 'cloud', severity: 'notice', message: 'a cloud' },
    ]),
  ).toBe(`ok       mtu          fits
ERROR    peers        n2 is silent
                      → wake it
notice   cloud        a cloud
1 error, 1 notice
`);
});
