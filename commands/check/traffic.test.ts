import { expect, test } from 'vitest';
import type { AgentStatus } from '../../cni/agent/status.ts';
import type { LinkFact } from './facts.ts';
import { type Traffic, trafficOf } from './traffic.ts';

const link = (name: string, port: number): LinkFact => ({
  index: 1,
  name,
  kind: 'vxlan',
  mtu: 1450,
  up: true,
  port,
  addresses: [],
});
const status = (backend: string, networks: string[] = ['10.244.0.0/16']): AgentStatus =>
  ({ backend, networks, devices: [{ name: 'flannel.1', mac: '', mtu: 0 }] }) as unknown as AgentStatus;

test.each<[string, Parameters<typeof trafficOf>, Partial<Traffic>]>([
  ['nothing known', [undefined, undefined, []], { kind: 'vxlan', port: 8472 }],
  ['a port in net-conf.json', [undefined, { type: 'vxlan', options: { Port: 4789 } }, []], { port: 4789 }],
  [
    "the agent's device wins over that and over others'",
    [status('vxlan'), { type: 'vxlan', options: { Port: 1 } }, [link('vxlan9', 7), link('flannel.1', 5000)]],
    { port: 5000, what: 'UDP port 5000' },
  ],
  [
    'WireGuard',
    [status('wireguard'), undefined, []],
    { kind: 'wireguard', port: 51820, what: 'UDP port 51820' },
  ],
  [
    'WireGuard for both families',
    [status('wireguard', ['10.244.0.0/16', 'fd00::/48']), undefined, []],
    { port: 51820, portV6: 51821, what: 'UDP ports 51820 and 51821 (IPv6)' },
  ],
  [
    'WireGuard with one device for both',
    [
      status('wireguard', ['10.244.0.0/16', 'fd00::/48']),
      { type: 'wireguard', options: { Mode: 'auto', ListenPort: 7 } },
      [],
    ],
    { port: 7, what: 'UDP port 7' },
  ],
  ['IP-in-IP', [status('ipip'), undefined, []], { kind: 'ipip' }],
  ['plain routes', [status('host-gw'), undefined, []], { kind: 'plain' }],
  ['no traffic at all', [status('alloc'), undefined, []], { kind: 'none' }],
])('%s', (_what, given, expected) => {
  expect(trafficOf(...given)).toMatchObject(expected);
});
