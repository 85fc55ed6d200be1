import { expect, test } from 'vitest';
import type { AgentStatus, PeerPath } from '../../cni/agent/status.ts';
import { formatStatus } from './format.ts';

const now = Date.parse('2026-01-01T00:01:00Z');

/** The peers' part of what is printed. */
function shown(paths: readonly PeerPath[], allPeers = false): string[] {
  const status: AgentStatus = {
    apiVersion: 1,
    program: 'agent',
    version: '0',
    pid: 1,
    node: 'n1',
    startedAt: '2026-01-01T00:00:00Z',
    ready: true,
    problems: [],
    networks: [],
    subnets: [],
    backend: 'vxlan',
    // WireGuard's and IPIP's have no MAC.
    devices: [
      { name: 'flannel.1', mac: '0a:00:00:00:00:01', mtu: 1450 },
      { name: 'flannel-wg', mtu: 1420 },
    ],
    underlays: [],
    peers: { total: paths.length, carried: 0, skipped: [], paths },
    repairs: {},
    repair: true,
    ipMasq: true,
    rules: 'iptables',
    lag: { count: 3, lastMs: 1.5, p50Ms: 2, p99Ms: 9.1 },
    forwardAccepts: [],
    datastore: { type: 'embedded', why: '', location: '', connected: true },
  };
  const lines = formatStatus([status], now, allPeers).split('\n');
  expect(lines).toContain(
    'backend      vxlan, flannel.1 (0a:00:00:00:00:01, MTU 1450), flannel-wg (MTU 1420)',
  );
  expect(lines).toContain('rules        iptables');
  expect(lines).toContain('lag          last 1.5 ms, median 2 ms, 99th percentile 9.1 ms (3 so far)');
  return lines.filter((line) => /^(peer | {3})/.test(line));
}

const path = (n: number, more: Partial<PeerPath> = {}): PeerPath => ({
  node: `n${n}`,
  subnet: `10.244.${n}.0/24`,
  path: 'vxlan',
  device: 'flannel.1',
  endpoint: `192.0.2.${n}`,
  mtu: 1450,
  ...more,
});

test('each peer has a line with its path, its MTU and when it answered', () => {
  expect(
    shown([
      path(2, { state: 'reachable', lastReply: '2026-01-01T00:00:57Z' }),
      path(3, { path: 'direct', device: 'eth0', mtu: 1500 }),
      path(4, { state: 'failed' }),
    ]),
  ).toEqual([
    'peer         n4 10.244.4.0/24: vxlan to 192.0.2.4 (flannel.1, MTU 1450), DOES NOT ANSWER',
    'peer         n2 10.244.2.0/24: vxlan to 192.0.2.2 (flannel.1, MTU 1450), answered 3s ago',
    'peer         n3 10.244.3.0/24: direct to 192.0.2.3 (eth0, MTU 1500)',
  ]);
});

test('of many peers a screenful is shown, those in trouble in any case', () => {
  const many = Array.from({ length: 40 }, (_, n) => path(n, n >= 25 ? { state: 'failed' } : {}));
  const some = shown(many);
  expect(some).toHaveLength(16);
  expect(some.slice(0, 15).every((line) => line.includes('DOES NOT ANSWER'))).toBe(true);
  expect(some.at(-1)).toContain('and 25 more');
  expect(shown(many, true)).toHaveLength(40);
});
