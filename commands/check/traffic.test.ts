import { expect, test } from 'vitest';
import type { AgentStatus } from '../../cni/agent/status.ts';
import type { LinkFact } from './facts.ts';
import { type Traffic, trafficOf } from './traffic.ts';

const link = (name: string, port: number, kind = 'vxlan'): LinkFact => ({
  index: 1,
  name,
  kind,
  mtu: 1450,
  up: true,
  port,
  addresses: [],
});
const status = (
  backend: string,
  networks: string[] = ['10.244.0.0/16'],
  names: string[] = ['flannel.1'],
): AgentStatus =>
  ({ backend, networks, devices: names.map((name) => ({ name, mtu: 0 })) }) as unknown as AgentStatus;

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
  [
    'WireGuard with keys as Go reads them, and a port that is none',
    [undefined, { type: 'wireguard', options: { listenport: 7000, MODE: 'auto', listenPortV6: 'x' } }, []],
    { port: 7000, what: 'UDP port 7000' },
  ],
  [
    "WireGuard's devices win over what net-conf.json says",
    [
      status('wireguard', ['10.244.0.0/16', 'fd00::/48'], ['flannel-wg', 'flannel-wg-v6']),
      { type: 'wireguard', options: { ListenPort: 1, ListenPortV6: 2 } },
      [
        link('wg0', 9, 'wireguard'),
        link('flannel-wg-v6', 5001, 'wireguard'),
        link('flannel-wg', 5000, 'wireguard'),
      ],
    ],
    { port: 5000, portV6: 5001, what: 'UDP ports 5000 and 5001 (IPv6)' },
  ],
  [
    'VXLAN in letters of any case',
    [undefined, { type: 'vxlan', options: { port: 4789 } }, []],
    { port: 4789 },
  ],
  ['IP-in-IP', [status('ipip'), undefined, []], { kind: 'ipip' }],
  ['plain routes', [status('host-gw'), undefined, []], { kind: 'plain' }],
  ['no traffic at all', [status('alloc'), undefined, []], { kind: 'none' }],
])('%s', (_what, given, expected) => {
  expect(trafficOf(...given)).toMatchObject(expected);
});
