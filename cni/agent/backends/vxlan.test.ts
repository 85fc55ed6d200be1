import { describe, expect, test } from 'vitest';
import { NetConfError } from '../../../shared/config/net-conf.ts';
import { formatCidr, parseCidr } from '../../../shared/ip/cidr.ts';
import { formatIp, parseIp } from '../../../shared/ip/ip.ts';
import { formatMac } from '../../../shared/ip/mac.ts';
import type { NodeLease } from '../../../shared/store/registry.ts';
import { FakeNetwork } from '../kernel/fake-network.ts';
import type { Underlay } from '../underlay.ts';
import type { Backend } from './backend.ts';
import { type Desired, desiredNetwork } from './desired.ts';
import { createBackend } from './registry.ts';
import { setting } from './test-backend.ts';
import { newVtepMac, parseVxlanData } from './vxlan-data.ts';

const cidr = (text: string): NonNullable<ReturnType<typeof parseCidr>> => parseCidr(text)!;
const ip = (text: string): NonNullable<ReturnType<typeof parseIp>> => parseIp(text)!;

const underlays = {
  v4: underlay(4, '192.0.2.1'),
  v6: underlay(6, '2001:db8::1'),
};

function underlay(family: 4 | 6, address: string): Underlay {
  return { family, index: 2, name: 'eth0', mtu: 1500, address: ip(address), publicIp: ip(address) };
}

function lease(n: number, part: Partial<NodeLease> = {}): NodeLease {
  const data = (last: string): { VNI: number; VtepMAC: string } => ({
    VNI: 1,
    VtepMAC: `0a:00:00:00:${last}:0${n}`,
  });
  return {
    node: `n${n}`,
    subnet: cidr(`10.244.${n}.0/24`),
    subnetV6: cidr(`fd00:244:0:${n}::/64`),
    publicIp: ip(`192.0.2.${n}`),
    publicIpV6: ip(`2001:db8::${n}`),
    backend: { type: 'vxlan', data: data('04'), v6Data: data('06') },
    expiresAt: 0,
    ...part,
  };
}

const make = (options: Record<string, unknown> = {}, families = { v4: true, v6: true }): Backend =>
  createBackend({ type: 'vxlan', options }, setting(families));

const desired = (backend: Backend, ...peers: NodeLease[]): Desired =>
  desiredNetwork(backend, { lease: lease(1), underlays, peers, direct: () => undefined });

describe('devices', () => {
  test('one a family, with what VXLAN takes off the MTU and the subnet as address', () => {
    const { devices } = desired(make()).network;
    expect(devices.map(({ name, mtu, addresses }) => [name, mtu, formatCidr(addresses[0]!)])).toEqual([
      ['flannel.1', 1450, '10.244.1.0/32'],
      ['flannel-v6.1', 1430, 'fd00:244:0:1::/128'],
    ]);
    expect(devices[0]).toMatchObject({
      kind: 'vxlan',
      vxlan: { vni: 1, port: 8472, underlay: 2, learning: false, gbp: false },
    });
    expect(make().podMtu(underlays)).toBe(1430);
    expect(make().podMtu({ v4: underlays.v4 })).toBe(1450);
  });

  test("net-conf's keys are taken in any letter case; an MTU is never above the underlay's", () => {
    const backend = make({ vni: 42, Port: 4789, MTU: 9000, GBP: true });
    expect(backend.devices).toEqual(['flannel.42', 'flannel-v6.42']);
    expect(desired(backend).network.devices[0]).toMatchObject({
      mtu: 1450,
      vxlan: { vni: 42, port: 4789, gbp: true },
    });
    expect(make({ MTU: 1400 }).podMtu({ v4: underlays.v4 })).toBe(1350);
  });

  test.each([
    [{ VNI: -1 }, /VNI/],
    [{ VNI: 2 ** 24 }, /VNI/],
    [{ Port: '8472' }, /Port/],
    [{ MTU: 500 }, /MTU/],
    [{ DirectRouting: 'yes' }, /DirectRouting/],
  ])('%j is refused by name', (options, message) => {
    expect(() => make(options)).toThrow(NetConfError);
    expect(() => make(options)).toThrow(message);
  });

  test('a backend that is not built says so and names what is', () => {
    expect(() => createBackend({ type: 'udp', options: {} }, setting({ v4: true, v6: false }))).toThrow(
      'Backend.Type "udp" is not built; built: vxlan, host-gw, wireguard, ipip, alloc',
    );
    expect(() =>
      createBackend({ type: 'constructor', options: {} }, setting({ v4: true, v6: false })),
    ).toThrow(/is unknown/);
  });
});

describe('what a node publishes', () => {
  test('is the MAC it had before, else that of its device, else a new one', () => {
    const network = new FakeNetwork();
    const backend = make({}, { v4: true, v6: false });
    const before = backend.publish(lease(3), network);
    expect(before).toEqual({ type: 'vxlan', data: { VNI: 1, VtepMAC: '0a:00:00:00:04:03' } });
    network.addLink('flannel.1', [], {
      kind: { kind: 'vxlan', id: 1 },
      mac: new Uint8Array([2, 0, 0, 0, 0, 9]),
    });
    expect(backend.publish(undefined, network).data).toEqual({ VNI: 1, VtepMAC: '02:00:00:00:00:09' });
    network.deleteLink('flannel.1');
    const fresh = parseVxlanData(backend.publish(undefined, network).data)?.mac;
    expect(fresh && fresh[0]! & 3).toBe(2);
  });

  test('a MAC is a station of its own each time', () => {
    const macs = new Set(Array.from({ length: 100 }, () => formatMac(newVtepMac())));
    expect(macs.size).toBe(100);
    for (const mac of macs) expect(Number.parseInt(mac.slice(0, 2), 16) & 3).toBe(2);
  });
});

describe('peers', () => {
  test('each gets neighbour, forwarding entry and route in each family', () => {
    const { network, skipped } = desired(make(), lease(2));
    expect(
      network.neighbours.map((entry) => [entry.device, formatIp(entry.ip), formatMac(entry.mac)]),
    ).toEqual([
      ['flannel.1', '10.244.2.0', '0a:00:00:00:04:02'],
      ['flannel-v6.1', 'fd00:244:0:2::', '0a:00:00:00:06:02'],
    ]);
    expect(network.fdb.map((entry) => formatIp(entry.destination))).toEqual(['192.0.2.2', '2001:db8::2']);
    expect(
      network.routes.map((route) => [
        formatCidr(route.destination),
        formatIp(route.gateway!),
        route.device,
        route.onlink,
      ]),
    ).toEqual([
      ['10.244.2.0/24', '10.244.2.0', 'flannel.1', true],
      ['fd00:244:0:2::/64', 'fd00:244:0:2::', 'flannel-v6.1', true],
    ]);
    expect(skipped).toEqual([]);
  });

  const v4 = (part: Partial<NodeLease>): NodeLease => {
    const { subnetV6: _, ...rest } = lease(2, part);
    return rest;
  };
  test.each([
    ['another backend', { backend: { type: 'host-gw' } }, /backend is host-gw/],
    ['no MAC', { backend: { type: 'vxlan', data: { VNI: 1 } } }, /no VtepMAC/],
    ['a group address', { backend: { type: 'vxlan', data: { VtepMAC: '01:00:5e:00:00:01' } } }, /no VtepMAC/],
    [
      'another VNI',
      { backend: { type: 'vxlan', data: { VNI: 9, VtepMAC: '0a:00:00:00:04:02' } } },
      /VNI is 9/,
    ],
    ['our address', { publicIp: ip('192.0.2.1') }, /our own/],
    ['our subnet', { subnet: cidr('10.244.0.0/16') }, /overlaps/],
    ['our MAC', { backend: { type: 'vxlan', data: { VtepMAC: '0a:00:00:00:04:01' } } }, /is that of n1/],
  ])('one with %s is left out and named', (_what, part, why) => {
    const { network, skipped } = desired(make(), v4(part), lease(3));
    expect(skipped).toHaveLength(1);
    expect(skipped[0]).toMatchObject({ node: 'n2', why: expect.stringMatching(why) });
    expect(network.routes).toHaveLength(2);
  });

  test('data of old flannel versions has no VNI and is taken', () => {
    const old = v4({ backend: { type: 'vxlan', data: { VtepMAC: '0a:00:00:00:04:02' } } });
    expect(desired(make(), old).network.routes).toHaveLength(1);
  });

  test('with DirectRouting, those on the same link get a plain route and nothing in the tunnel', () => {
    const backend = make({ DirectRouting: true });
    expect(backend.usesDirect).toBe(true);
    const direct = (address: NodeLease['publicIp']): string | undefined =>
      address && formatIp(address) === '192.0.2.2' ? 'eth0' : undefined;
    const { network } = desiredNetwork(backend, { lease: lease(1), underlays, peers: [lease(2)], direct });
    expect(network.routes[0]).toEqual({
      destination: cidr('10.244.2.0/24'),
      gateway: ip('192.0.2.2'),
      device: 'eth0',
      onlink: false,
    });
    expect(network.fdb.map((entry) => entry.device)).toEqual(['flannel-v6.1']);
  });
});
