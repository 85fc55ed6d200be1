import { describe, expect, test } from 'vitest';
import { formatCidr, parseCidr } from '../../../shared/ip/cidr.ts';
import { formatIp, parseIp } from '../../../shared/ip/ip.ts';
import type { Json, NodeLease } from '../../../shared/store/registry.ts';
import { FakeNetwork } from '../kernel/fake-network.ts';
import type { Underlay } from '../underlay.ts';
import type { Backend, Underlays } from './backend.ts';
import { type Desired, desiredNetwork } from './desired.ts';
import { createBackend } from './registry.ts';
import { setting } from './test-backend.ts';

const cidr = (text: string): NonNullable<ReturnType<typeof parseCidr>> => parseCidr(text)!;
const ip = (text: string): NonNullable<ReturnType<typeof parseIp>> => parseIp(text)!;
const both = { v4: true, v6: true };
const only4 = { v4: true, v6: false };
const only6 = { v4: false, v6: true };

function underlay(address: string, part: Partial<Underlay> = {}): Underlay {
  const { family } = ip(address);
  return { family, index: 2, name: 'eth0', mtu: 1500, address: ip(address), publicIp: ip(address), ...part };
}
const underlays: Underlays = { v4: underlay('192.0.2.1'), v6: underlay('2001:db8::1') };

const key = (n: number): string => new Uint8Array(32).fill(n).toBase64();
const wg = (n: number, port?: number): Json => ({
  PublicKey: key(n),
  ...(port !== undefined && { Port: port }),
});

function lease(type: string, n: number, part: Partial<NodeLease> = {}): NodeLease {
  const data = type === 'wireguard' ? { data: wg(10 + n, 51820), v6Data: wg(10 + n, 51821) } : { data: null };
  return {
    node: `n${n}`,
    subnet: cidr(`10.244.${n}.0/24`),
    subnetV6: cidr(`fd00:244:0:${n}::/64`),
    publicIp: ip(`192.0.2.${n}`),
    publicIpV6: ip(`2001:db8::${n}`),
    backend: { type, ...data },
    expiresAt: 0,
    ...part,
  };
}

const make = (type: string, families = both, options: Record<string, unknown> = {}): Backend =>
  createBackend({ type, options }, setting(families));

const onEth0 = (): string => 'eth0';

function desired(backend: Backend, peers: NodeLease[], direct: () => string | undefined = onEth0): Desired {
  return desiredNetwork(backend, { lease: lease(backend.type, 1), underlays, peers, direct });
}

const routes = ({ network }: Desired): unknown[] =>
  network.routes.map(({ destination, gateway, device, onlink }) => [
    formatCidr(destination),
    gateway && formatIp(gateway),
    device,
    onlink,
  ]);

describe('host-gw', () => {
  test('routes by way of the peers, in the families that there are, and has nothing to publish', () => {
    const backend = make('host-gw');
    expect(backend.devices).toEqual([]);
    expect(backend.publish(undefined, new FakeNetwork())).toEqual({ type: 'host-gw' });
    expect(backend.podMtu(underlays)).toBe(1500);
    expect(routes(desired(backend, [lease('host-gw', 2)]))).toEqual([
      ['10.244.2.0/24', '192.0.2.2', 'eth0', false],
      ['fd00:244:0:2::/64', '2001:db8::2', 'eth0', false],
    ]);
    expect(routes(desired(make('host-gw', only6), [lease('host-gw', 2)]))).toEqual([
      ['fd00:244:0:2::/64', '2001:db8::2', 'eth0', false],
    ]);
  });

  test('a peer that is not on the link is left out with the reason', () => {
    const far = desired(make('host-gw', only4), [lease('host-gw', 2)], () => undefined);
    expect(far.network.routes).toEqual([]);
    expect(far.skipped).toEqual([
      { node: 'n2', why: expect.stringMatching(/192.0.2.2 is not on the link of eth0/) },
    ]);
    const other = desired(make('host-gw', only4), [lease('host-gw', 2)], () => 'eth1');
    expect(other.skipped[0]?.why).toMatch(/on that of eth1/);
    expect(desired(make('host-gw', only4), [lease('vxlan', 2)]).skipped[0]?.why).toMatch(/is vxlan, ours/);
  });

  test('behind NAT it is a problem that is named', () => {
    const backend = make('host-gw');
    expect(backend.problem?.(underlays)).toBeUndefined();
    const nat = { ...underlays, v6: underlay('2001:db8::1', { publicIp: ip('2001:db8::99') }) };
    expect(backend.problem?.(nat)).toMatch(/2001:db8::99 is not that of eth0, 2001:db8::1/);
  });
});

describe('ipip', () => {
  test('a device whose gateways are the peers', () => {
    const backend = make('ipip', only4);
    expect(backend.publish(undefined, new FakeNetwork())).toEqual({ type: 'ipip' });
    const all = desired(backend, [lease('ipip', 2)]);
    expect(all.network.devices).toEqual([
      {
        kind: 'ipip',
        name: 'flannel.ipip',
        mtu: 1480,
        addresses: [cidr('10.244.1.0/32')],
        ipip: { local: ip('192.0.2.1') },
      },
    ]);
    expect(backend.podMtu(underlays)).toBe(1480);
    expect(routes(all)).toEqual([['10.244.2.0/24', '192.0.2.2', 'flannel.ipip', true]]);
  });

  test('DirectRouting goes without the tunnel where it can', () => {
    const backend = make('ipip', only4, { directRouting: true });
    expect(backend.usesDirect).toBe(true);
    expect(routes(desired(backend, [lease('ipip', 2)]))).toEqual([
      ['10.244.2.0/24', '192.0.2.2', 'eth0', false],
    ]);
    expect(routes(desired(backend, [lease('ipip', 2)], () => undefined))).toEqual([
      ['10.244.2.0/24', '192.0.2.2', 'flannel.ipip', true],
    ]);
  });

  test('IPv6 is refused, and a link that is too small is a problem', () => {
    expect(() => make('ipip', both)).toThrow(/carries IPv4 only/);
    expect(make('ipip', only4).problem?.({ v4: underlay('192.0.2.1', { mtu: 80 }) })).toMatch(/too small/);
  });
});

test('alloc wants nothing of the kernel', () => {
  const backend = make('alloc');
  const { network, skipped } = desired(backend, [lease('alloc', 2), lease('vxlan', 3)]);
  expect([network.devices, network.routes, skipped]).toEqual([[], [], []]);
  expect(backend.podMtu(underlays)).toBe(1500);
});

describe('wireguard', () => {
  const peersOf = ({ network }: Desired): unknown[] =>
    network.wireguardPeers.map(({ device, publicKey, endpoint, allowedIps, keepalive }) => [
      device,
      publicKey[0],
      `${formatIp(endpoint.ip)} ${endpoint.port}`,
      allowedIps.map(formatCidr).join(' '),
      keepalive,
    ]);
  const separate = [
    ['flannel-wg', 12, '192.0.2.2 51820', '10.244.2.0/24', 0],
    ['flannel-wg-v6', 12, '[v6] 51821'.replace('[v6]', '2001:db8::2'), 'fd00:244:0:2::/64', 0],
  ];

  test('mode separate: a device a family, with the route to the cluster and each peer by its own address', () => {
    const backend = make('wireguard');
    const all = desired(backend, [lease('wireguard', 2)]);
    expect(
      all.network.devices.map((device) => [
        device.name,
        device.mtu,
        device.addresses.map(formatCidr),
        device.kind === 'wireguard' && device.wireguard.listenPort,
      ]),
    ).toEqual([
      ['flannel-wg', 1420, ['10.244.1.0/32'], 51820],
      ['flannel-wg-v6', 1420, ['fd00:244:0:1::/128'], 51821],
    ]);
    expect(routes(all)).toEqual([
      ['10.244.0.0/16', undefined, 'flannel-wg', false],
      ['fd00:244::/48', undefined, 'flannel-wg-v6', false],
    ]);
    expect(peersOf(all)).toEqual(separate);
    expect(backend.podMtu(underlays)).toBe(1420);
  });

  test('what is published is what flannel publishes, byte for byte', () => {
    const { data, v6Data } = make('wireguard').publish(undefined, new FakeNetwork());
    expect(JSON.stringify(data)).toBe(`{"PublicKey":"${key(2)}","Port":51820}`);
    expect(JSON.stringify(v6Data)).toBe(`{"PublicKey":"${key(2)}","Port":51821}`);
  });

  test.each([
    ['ipv4', '192.0.2.2', '2001:db8::2', '192.0.2.2 51820'],
    ['ipv6', '192.0.2.2', '2001:db8::2', '2001:db8::2 51820'],
    ['auto', '192.0.2.2', '2001:db8::2', '192.0.2.2 51820'],
    ['auto', '10.0.0.2', '2001:db8::2', '2001:db8::2 51820'],
    ['auto', '10.0.0.2', 'fd00::2', '10.0.0.2 51820'],
    ['auto', '172.31.0.2', 'fd00::2', '172.31.0.2 51820'],
  ])('mode %s, a peer of %s and %s: one device, both families, at %s', (mode, v4, v6, endpoint) => {
    const peer = lease('wireguard', 2, { publicIp: ip(v4), publicIpV6: ip(v6) });
    const all = desired(make('wireguard', both, { Mode: mode }), [peer]);
    expect(all.network.devices.map(({ name }) => name)).toEqual(['flannel-wg']);
    expect(routes(all)).toHaveLength(2);
    expect(peersOf(all)).toEqual([['flannel-wg', 12, endpoint, '10.244.2.0/24 fd00:244:0:2::/64', 0]]);
  });

  test('keys, ports, keepalive and MTU are as configured; the pre-shared key is not shown', () => {
    const options = {
      PSK: key(7),
      ListenPort: 4500,
      PersistentKeepaliveInterval: 25,
      MTU: 1400,
    };
    const all = desired(make('wireguard', only4, options), [
      lease('wireguard', 2, { backend: { type: 'wireguard', data: wg(12) } }),
    ]);
    expect(peersOf(all)).toEqual([['flannel-wg', 12, '192.0.2.2 4500', '10.244.2.0/24', 25]]);
    expect(all.network.devices[0]?.mtu).toBe(1320);
    const [peer] = all.network.wireguardPeers;
    expect(peer?.presharedKey?.reveal()).toEqual(new Uint8Array(32).fill(7));
    const shown = JSON.stringify(all.network, (_key, value) => (typeof value === 'bigint' ? 0 : value));
    expect(shown + Bun.inspect(all.network, { depth: 9 })).not.toMatch(new RegExp(`${key(7)}|7, 7, 7`));
  });

  test.each<[Record<string, unknown>, RegExp]>([
    [{ Mode: 'both' }, /Mode must be one of/],
    [{ PSK: 'secret!' }, /PSK must be 32 bytes/],
    [{ ListenPort: 99999 }, /ListenPort must be/],
    [{ ListenPort: 1000, ListenPortV6: 1000 }, /cannot share a port/],
    [{ PersistentKeepaliveInterval: '25' }, /PersistentKeepaliveInterval/],
  ])('%j is refused by name', (options, message) => {
    expect(() => make('wireguard', both, options)).toThrow(message);
    expect(() => make('wireguard', both, options)).not.toThrow(/secret!/);
  });

  test('a mode of a family that the cluster lacks is refused', () => {
    expect(() => make('wireguard', only4, { Mode: 'ipv6' })).toThrow(/set EnableIPv6/);
  });

  test.each<[string, Partial<NodeLease>, RegExp]>([
    ['no key', { backend: { type: 'wireguard', data: {} } }, /no PublicKey/],
    ['our key', { backend: { type: 'wireguard', data: wg(2) } }, /is our own: was the key file copied/],
    ['another backend', { backend: { type: 'vxlan' } }, /is vxlan, ours/],
    ['our subnet', { subnet: cidr('10.244.1.0/24') }, /overlaps our own/],
    ['our address and port', { publicIp: ip('192.0.2.1') }, /is our own/],
    [
      'the key of another',
      { node: 'n4', backend: { type: 'wireguard', data: wg(13) } },
      /its PublicKey is that of n3/,
    ],
  ])('one with %s is left out and named', (_what, part, why) => {
    const all = desired(make('wireguard', only4), [lease('wireguard', 2, part), lease('wireguard', 3)]);
    expect(all.skipped).toEqual([expect.objectContaining({ why: expect.stringMatching(why) })]);
    expect(peersOf(all)).toHaveLength(1);
  });

  test('two behind one NAT differ in their ports', () => {
    const behind = lease('wireguard', 2, {
      publicIp: ip('192.0.2.1'),
      backend: { type: 'wireguard', data: wg(12, 40000) },
    });
    expect(desired(make('wireguard', only4), [behind]).skipped).toEqual([]);
  });
});
