import { expect, test } from 'vitest';
import type { ProxyStatus, ServiceStatus } from '../../cni/proxy/status.ts';
import { formatStatus } from './format.ts';
import { formatService } from './format-proxy.ts';
import { serviceOf } from './service.ts';

const sample: ProxyStatus = {
  apiVersion: 1,
  program: 'proxy',
  version: '0.1.0',
  pid: 78,
  node: 'n1',
  startedAt: '2026-01-01T00:00:00.000Z',
  ready: true,
  problems: ['default/web: node port 30080 is served for default/old, which claimed it first'],
  mode: 'nftables',
  restored: false,
  services: 3,
  families: [
    { family: 'IPv4', ports: 4, pending: 0, refused: [] },
    { family: 'IPv6', ports: 1, pending: 2, refused: [{ name: 'default/x', why: 'EINVAL' }] },
  ],
  lastSync: { at: '2026-01-01T01:00:00.000Z', durationMs: 0.8, changes: 2 },
  repairs: 0,
  localTraffic: 'sources in 10.244.0.0/16',
  nodePorts: 'every IPv4 address but the loopback',
  healthz: { address: '0.0.0.0:10256', listens: true },
  metrics: { address: '127.0.0.1:10249', listens: false },
  healthChecks: 1,
  source: {
    type: 'kubernetes',
    why: 'a kubeconfig is named',
    location: 'https://192.0.2.1:6443',
    connected: false,
  },
  unknownKeys: ['nftabels'],
};

test("the proxy's block", () => {
  const lines = formatStatus([sample], Date.parse('2026-01-01T01:00:30Z'), false).split('\n');
  expect(lines).toEqual([
    'proxy        ready, version 0.1.0, pid 78, up 1h',
    'node         n1',
    'mode         nftables',
    'services     3',
    'IPv4         4 service ports',
    'IPv6         1 service ports (2 to be programmed, 1 REFUSED by the kernel)',
    'last sync    30s ago, 2 changes in 0.8 ms',
    'repairs      none',
    'local        sources in 10.244.0.0/16',
    'node ports   every IPv4 address but the loopback',
    'healthz      0.0.0.0:10256',
    'metrics      127.0.0.1:10249 (PORT TAKEN)',
    'checks       1 services of load balancers',
    'source       kubernetes https://192.0.2.1:6443 (a kubeconfig is named), NOT CONNECTED',
    'unread keys  nftabels',
    'problem      default/web: node port 30080 is served for default/old, which claimed it first',
    '',
  ]);
});

test('one service', () => {
  const status: ServiceStatus = {
    apiVersion: 1,
    service: 'default/web',
    notes: [],
    ports: [
      {
        name: 'default/web:http',
        family: 'IPv4',
        protocol: 'TCP',
        affinity: 60,
        sourceRanges: ['192.0.2.0/24'],
        frontends: [{ at: '10.96.0.10:80', kind: 'cluster-ip', does: 'to an endpoint, masqueraded' }],
        endpoints: [
          { at: '10.244.1.2:8080', local: true },
          { at: '10.244.2.2:8080', local: false, leftOut: 'not ready' },
        ],
        kernel: ['10.96.0.10:80 → 1 endpoint'],
        problems: [],
      },
    ],
  };
  expect(formatService(status).split('\n')).toEqual([
    'service      default/web',
    '',
    'port         default/web:http, TCP, IPv4',
    'affinity     a client stays with its endpoint for 60 s',
    'allowed      192.0.2.0/24',
    'reached at   10.96.0.10:80 (cluster-ip): to an endpoint, masqueraded',
    'endpoint     10.244.1.2:8080, on this node',
    'left out     10.244.2.2:8080, not ready',
    'kernel       10.96.0.10:80 → 1 endpoint',
    '',
  ]);
});

test('names of services', () => {
  expect([serviceOf('service/web', 'shop'), serviceOf('svc/web', 'default')]).toEqual([
    'shop/web',
    'default/web',
  ]);
  expect(() => serviceOf('web', 'default')).toThrow(/write service\/NAME/);
});
