import { expect, test } from 'vitest';
import { parseIp } from '../../shared/ip/ip.ts';
import { type Neighbour, NUD } from '../../shared/netlink/codec/neighbour.ts';
import { lease } from './leases/test-leases.ts';
import type { DesiredDevice, DesiredRoute } from './network/desired.ts';
import { evidenceOf, peerPaths, wireguardEvidence } from './peer-paths.ts';
import type { Underlay } from './underlay.ts';

const ip = (text: string): NonNullable<ReturnType<typeof parseIp>> => parseIp(text)!;

/** An entry whose peer answered that long ago; 200 ticks are two seconds. */
function neighbour(address: string, state: number, ticks?: number): Neighbour {
  const payload = new Uint8Array(16);
  new DataView(payload.buffer).setUint32(0, ticks ?? 0, true);
  return {
    index: 2,
    ip: ip(address),
    state,
    flags: 0,
    type: 1,
    ...(ticks !== undefined && { unknown: [{ type: 3, nested: false, payload }] }),
  };
}

const v4: Underlay = {
  family: 4,
  index: 2,
  name: 'eth0',
  mtu: 1500,
  address: ip('192.0.2.1'),
  publicIp: ip('192.0.2.1'),
};
const [far, near, alone] = [lease('far', 7), lease('near', 8), lease('alone', 9)];
const routes: DesiredRoute[] = [
  { destination: far.subnet!, gateway: far.subnet!.ip, device: 'flannel.1', onlink: true },
  { destination: near.subnet!, gateway: near.publicIp!, device: 'eth0', onlink: false },
];
const input = {
  peers: [far, near, alone],
  routes,
  wireguardPeers: [],
  devices: [{ name: 'flannel.1', mtu: 1450 } as DesiredDevice],
  backend: { type: 'vxlan', devices: ['flannel.1'] },
  underlays: { v4 },
  now: Date.parse('2026-01-01T00:00:10Z'),
};

test('tunnel or plain route, with what the neighbour table knows; a peer without a route has no path', () => {
  const evidence = evidenceOf([
    neighbour('192.0.2.8', NUD.REACHABLE, 200),
    neighbour('192.0.2.99', NUD.STALE),
  ]);
  expect(peerPaths({ ...input, evidence })).toEqual([
    {
      node: 'far',
      subnet: '10.244.7.0/24',
      path: 'vxlan',
      device: 'flannel.1',
      endpoint: '192.0.2.7',
      mtu: 1450,
    },
    {
      node: 'near',
      subnet: '10.244.8.0/24',
      path: 'direct',
      device: 'eth0',
      endpoint: '192.0.2.8',
      mtu: 1500,
      state: 'reachable',
      lastReply: '2026-01-01T00:00:08.000Z',
    },
  ]);
});

test('a failed entry tells of no answer, a stale one of an old one', () => {
  const evidence = evidenceOf([
    neighbour('192.0.2.7', NUD.FAILED, 100),
    neighbour('192.0.2.8', NUD.STALE, 500),
    neighbour('192.0.2.9', NUD.STALE),
  ]);
  expect(Object.fromEntries(evidence)).toEqual({
    '192.0.2.7': { state: 'failed' },
    '192.0.2.8': { state: 'unconfirmed', replyAgeMs: 5000 },
    '192.0.2.9': { state: 'unconfirmed' },
  });
});

test('a tunnel that learned another endpoint shows that one', () => {
  const evidence = new Map([['192.0.2.7', { state: 'reachable', endpoint: '203.0.113.9:51820' } as const]]);
  expect(peerPaths({ ...input, evidence })[0]).toMatchObject({
    endpoint: '203.0.113.9:51820',
    state: 'reachable',
  });
});

test('WireGuard: by the networks of its peers, with what it knows of each by its key', () => {
  const keys = [1, 2].map((byte) => new Uint8Array(32).fill(byte));
  const wireguardPeers = [far, near].map(({ subnet, publicIp }, n) => ({
    device: 'flannel-wg',
    publicKey: keys[n]!,
    endpoint: { ip: publicIp!, port: 51820 },
    allowedIps: [subnet!],
    keepalive: 0,
  }));
  const told = { allowedIps: [], keepalive: 0, rxBytes: 10, txBytes: 20 };
  const evidence = wireguardEvidence([
    {
      index: 3,
      listenPort: 51820,
      peers: [
        {
          ...told,
          publicKey: keys[0]!,
          endpoint: { ip: ip('198.51.100.7'), port: 4711 },
          handshakeAgeMs: 2000,
        },
        { ...told, publicKey: keys[1]! },
      ],
    },
  ]);
  const cluster = { ip: ip('10.244.0.0'), prefix: 16 };
  const paths = peerPaths({
    ...input,
    routes: [{ destination: cluster, device: 'flannel-wg', onlink: false }],
    wireguardPeers,
    devices: [{ name: 'flannel-wg', mtu: 1420 } as DesiredDevice],
    backend: { type: 'wireguard', devices: ['flannel-wg'] },
    evidence,
  });
  const common = { path: 'wireguard', device: 'flannel-wg', mtu: 1420, rxBytes: 10, txBytes: 20 };
  expect(paths).toEqual([
    {
      ...common,
      node: 'far',
      subnet: '10.244.7.0/24',
      endpoint: '198.51.100.7',
      state: 'reachable',
      lastReply: '2026-01-01T00:00:08.000Z',
    },
    { ...common, node: 'near', subnet: '10.244.8.0/24', endpoint: '192.0.2.8', state: 'unconfirmed' },
  ]);
});
