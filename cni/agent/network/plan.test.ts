import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Cidr, parseCidr } from '../../../shared/ip/cidr.ts';
import { type Ip, parseIp } from '../../../shared/ip/ip.ts';
import { SCOPE } from '../../../shared/netlink/codec/address.ts';
import { IFF } from '../../../shared/netlink/codec/link.ts';
import { NTF, NUD } from '../../../shared/netlink/codec/neighbour.ts';
import { type Route, RT_TABLE, RTN, RTNH_F, RTPROT } from '../../../shared/netlink/codec/route.ts';
import { FakeNetwork } from '../kernel/fake-network.ts';
import { type DesiredNetwork, ROUTE_PROTOCOL, type VxlanDevice } from './desired.ts';
import { planNetwork } from './plan.ts';

const ip = (text: string): Ip => parseIp(text) as Ip;
const cidr = (text: string): Cidr => parseCidr(text) as Cidr;
const mac = (last: number): Uint8Array => new Uint8Array([0x0a, 0, 0, 0, 0, last]);

const device: VxlanDevice = {
  kind: 'vxlan',
  name: 'flannel.1',
  mac: mac(99),
  mtu: 1450,
  addresses: [cidr('10.244.0.0/32')],
  vxlan: { vni: 1, port: 8472, local: ip('192.0.2.1'), underlay: 2, learning: false, gbp: false },
};

/** The network with peers 1…n: peer i has subnet 10.244.i.0/24, MAC …:i, address 192.0.2.(100+i). */
function network(...peers: number[]): DesiredNetwork {
  const gateway = (peer: number): Ip => ip(`10.244.${peer}.0`);
  return {
    devices: [device],
    wireguardPeers: [],
    neighbours: peers.map((peer) => ({ device: 'flannel.1', ip: gateway(peer), mac: mac(peer) })),
    fdb: peers.map((peer) => ({
      device: 'flannel.1',
      mac: mac(peer),
      destination: ip(`192.0.2.${100 + peer}`),
    })),
    routes: peers.map((peer) => ({
      destination: cidr(`10.244.${peer}.0/24`),
      gateway: gateway(peer),
      device: 'flannel.1',
      onlink: true,
    })),
  };
}

function withUnderlay(): FakeNetwork {
  const kernel = new FakeNetwork();
  kernel.addLink('eth0', [cidr('192.0.2.1/24')]);
  return kernel;
}

/** Brings the fake to the desired state and returns the kinds of the changes. */
function converge(desired: DesiredNetwork, kernel: FakeNetwork): string[] {
  const changes = planNetwork(desired, kernel);
  for (const change of changes) kernel.apply(change);
  return changes.map((change) => change.kind);
}

const route = (destination: string, part: Partial<Route>): Route => ({
  destination: cidr(destination),
  table: RT_TABLE.MAIN,
  protocol: RTPROT.BOOT,
  scope: SCOPE.UNIVERSE,
  type: RTN.UNICAST,
  flags: 0,
  tos: 0,
  ...part,
});

describe('what the plan does', () => {
  test('an empty kernel gets device, address, then neighbour, FDB and route of each peer', () => {
    expect(converge(network(1), withUnderlay())).toEqual([
      'create-device',
      'add-address',
      'set-neighbour',
      'set-fdb',
      'set-route',
    ]);
  });

  test('what is right is left alone', () => {
    const kernel = withUnderlay();
    converge(network(1, 2, 3), kernel);
    expect(planNetwork(network(1, 2, 3), kernel)).toEqual([]);
  });

  test('a deleted device comes back with all its peers', () => {
    const kernel = withUnderlay();
    converge(network(1, 2), kernel);
    kernel.deleteLink('flannel.1');
    expect(converge(network(1, 2), kernel)).toHaveLength(2 + 3 * 2);
    expect(kernel.routes).toHaveLength(2);
  });

  test('peers that left lose route, FDB entry and neighbour, in this order', () => {
    const kernel = withUnderlay();
    converge(network(1, 2), kernel);
    expect(converge(network(2), kernel)).toEqual(['delete-route', 'delete-fdb', 'delete-neighbour']);
  });

  test('a route that flanneld left is replaced in place, not removed first', () => {
    const kernel = withUnderlay();
    converge(network(1), kernel);
    kernel.routes = kernel.routes.map((old) => ({ ...old, protocol: RTPROT.BOOT }));
    expect(converge(network(1), kernel)).toEqual(['set-route']);
  });

  test('entries that nobody wants are removed, whoever wrote them', () => {
    const kernel = withUnderlay();
    converge(network(1), kernel);
    const { index } = kernel.link('flannel.1');
    kernel.routes.push(
      route('10.244.9.0/24', { oif: index, gateway: ip('10.244.9.0'), flags: RTNH_F.ONLINK }),
    );
    kernel.routes.push(route('10.99.0.0/16', { oif: 2, protocol: ROUTE_PROTOCOL, gateway: ip('192.0.2.9') }));
    kernel.neighbours.push({
      index,
      ip: ip('10.244.9.0'),
      mac: mac(9),
      state: NUD.PERMANENT,
      flags: 0,
      type: 1,
    });
    kernel.fdb.push({
      index,
      mac: mac(9),
      destination: ip('192.0.2.9'),
      state: NUD.PERMANENT,
      flags: NTF.SELF,
    });
    kernel.addAddress(index, cidr('10.244.7.0/32'));
    expect(converge(network(1), kernel).sort()).toEqual([
      'delete-address',
      'delete-fdb',
      'delete-neighbour',
      'delete-route',
      'delete-route',
    ]);
  });

  test.each([
    ['flannel.7', { kind: 'vxlan', id: 7 }, true],
    ['flannel-wg', { kind: 'other', name: 'wireguard' }, true],
    ['flannel-wg-v6', { kind: 'other', name: 'wireguard' }, true],
    ['flannel.ipip', { kind: 'other', name: 'ipip' }, true],
    ['flannel-wg', { kind: 'vxlan', id: 7 }, false],
    ['flannel.ipip', { kind: 'bridge' }, false],
    ['flannel.7', undefined, false],
  ] as const)('of a former backend %s goes if it is of that kind: %j', (name, kind, goes) => {
    const kernel = withUnderlay();
    kernel.addLink(name, [], kind ? { kind } : {});
    const nothing: DesiredNetwork = { ...network(), devices: [], retired: [name] };
    expect(converge(nothing, kernel)).toEqual(goes ? ['delete-device'] : []);
  });

  test('what is not the business of the agent stays', () => {
    const kernel = withUnderlay();
    converge(network(1), kernel);
    const { index } = kernel.link('flannel.1');
    kernel.routes.push(route('0.0.0.0/0', { oif: 2, gateway: ip('192.0.2.254'), protocol: RTPROT.STATIC }));
    kernel.routes.push(route('10.244.9.0/24', { oif: 2, gateway: ip('192.0.2.9'), protocol: RTPROT.STATIC }));
    kernel.routes.push(route('fe80::/64', { oif: index, protocol: RTPROT.KERNEL, priority: 256 }));
    kernel.routes.push(route('10.244.1.0/24', { oif: index, table: 100 }));
    kernel.addAddress(index, cidr('fe80::1/64'), { scope: SCOPE.LINK });
    kernel.neighbours.push({ index, ip: ip('ff02::16'), mac: mac(7), state: NUD.NOARP, flags: 0, type: 5 });
    kernel.neighbours.push({
      index: 2,
      ip: ip('192.0.2.9'),
      mac: mac(7),
      state: NUD.REACHABLE,
      flags: 0,
      type: 1,
    });
    expect(planNetwork(network(1), kernel)).toEqual([]);
  });

  test.each([
    [
      'link down',
      (kernel: FakeNetwork) => kernel.changeLink('flannel.1', { flags: 0 }),
      ['change-device', 'set-neighbour', 'set-route'],
    ],
    ['MTU', (kernel: FakeNetwork) => kernel.changeLink('flannel.1', { mtu: 1500 }), ['change-device']],
    [
      'MAC',
      (kernel: FakeNetwork) => kernel.changeLink('flannel.1', { mac: mac(3) }),
      ['change-device', 'set-neighbour'],
    ],
    ['address', (kernel: FakeNetwork) => (kernel.addresses = kernel.addresses.slice(0, 1)), ['add-address']],
    ['neighbour', (kernel: FakeNetwork) => (kernel.neighbours = []), ['set-neighbour']],
    ['FDB entry', (kernel: FakeNetwork) => (kernel.fdb = []), ['set-fdb']],
    ['route', (kernel: FakeNetwork) => (kernel.routes = []), ['set-route']],
  ])('%s changed from outside is put right', (_what, damage, expected) => {
    const kernel = withUnderlay();
    converge(network(1), kernel);
    damage(kernel);
    expect(converge(network(1), kernel)).toEqual(expected);
  });

  test('another source address is changed on the device, another VNI makes it anew', () => {
    const kernel = withUnderlay();
    converge(network(1), kernel);
    const moved = {
      ...network(1),
      devices: [{ ...device, vxlan: { ...device.vxlan, local: ip('192.0.2.7') } }],
    };
    expect(converge(moved, kernel)).toEqual(['change-device']);
    const other = { ...network(1), devices: [{ ...device, vxlan: { ...device.vxlan, port: 4789 } }] };
    expect(converge(other, kernel).slice(0, 3)).toEqual(['delete-device', 'create-device', 'add-address']);
  });

  test.each<[string, Partial<Route>, Partial<Route>[]]>([
    ['foreign, then ours without onlink', { protocol: RTPROT.BOOT }, [{}]],
    ['foreign, then ours with a source', { protocol: RTPROT.BOOT }, [{ preferredSource: ip('10.244.0.0') }]],
    ['ours without onlink, then the right one', {}, [{ flags: RTNH_F.ONLINK }]],
    ['foreign, ours without onlink, the right one', { protocol: 5 }, [{}, { flags: RTNH_F.ONLINK }]],
    ['two foreign, ours in between', { protocol: 5 }, [{}, { protocol: RTPROT.BOOT }]],
    [
      'ours, then one of several hops',
      {},
      [{ gateway: undefined as never, oif: undefined as never, nextHops: [] }],
    ],
  ])('deleting a route hits no other that it could mean: %s', (_what, first, others) => {
    const kernel = withUnderlay();
    converge(network(1), kernel);
    const { index } = kernel.link('flannel.1');
    const ours = { oif: index, gateway: ip('10.244.1.0'), protocol: ROUTE_PROTOCOL };
    kernel.routes = [first, ...others].map((part) => route('10.244.1.0/24', { ...ours, ...part }));
    converge(network(1), kernel);
    expect(kernel.routes).toHaveLength(1);
    expect(planNetwork(network(1), kernel)).toEqual([]);
  });

  test('a black hole and a direct route', () => {
    const kernel = withUnderlay();
    const desired: DesiredNetwork = {
      ...network(),
      routes: [
        { destination: cidr('10.244.0.0/24'), onlink: false, metric: 4096 },
        { destination: cidr('10.244.1.0/24'), gateway: ip('192.0.2.101'), device: 'eth0', onlink: false },
      ],
    };
    expect(converge(desired, kernel)).toEqual(['create-device', 'add-address', 'set-route', 'set-route']);
    expect(planNetwork(desired, kernel)).toEqual([]);
    // From direct to tunnel: one replacement, no gap.
    expect(converge(network(1), kernel)).toEqual(['set-neighbour', 'set-fdb', 'set-route', 'delete-route']);
  });
});

describe('from any state', () => {
  const anyMac = fc.integer({ min: 1, max: 5 }).map(mac);
  const anyIp = fc.constantFrom('10.244.1.0', '10.244.2.0', '10.244.3.0', '192.0.2.101', '192.0.2.9').map(ip);
  const anyIndex = fc.constantFrom(2, 3, 4);
  const anyRoute = fc
    .record({
      destination: fc.constantFrom('10.244.1.0/24', '10.244.2.0/24', '10.244.9.0/24', '0.0.0.0/0'),
      oif: anyIndex,
      gateway: fc.option(anyIp, { nil: undefined }),
      priority: fc.constantFrom(undefined, 100),
      protocol: fc.constantFrom<number>(RTPROT.BOOT, RTPROT.KERNEL, ROUTE_PROTOCOL),
      flags: fc.constantFrom<number>(0, RTNH_F.ONLINK),
      tos: fc.constantFrom(0, 16),
    })
    .map(({ destination, gateway, priority, ...part }) =>
      route(destination, { ...part, ...(gateway && { gateway }), ...(priority && { priority }) }),
    );
  const anyKernel = fc
    .record({
      vxlan: fc.option(
        fc.record({
          id: fc.constantFrom(1, 1, 1, 7),
          port: fc.constantFrom(8472, 8472, 4789),
          local: fc.constantFrom('192.0.2.1', '192.0.2.2', '2001:db8::1').map(ip),
          learning: fc.boolean(),
        }),
        { nil: undefined },
      ),
      flags: fc.constantFrom<number>(0, IFF.UP),
      mtu: fc.constantFrom(1450, 1500),
      mac: fc.constantFrom(mac(99), mac(1)),
      index: fc.constantFrom(3, 4),
      addresses: fc.subarray(['10.244.0.0/32', '10.244.0.1/24', '10.244.3.0/32']),
      neighbours: fc.array(
        fc.record({
          index: anyIndex,
          ip: anyIp,
          mac: anyMac,
          state: fc.constantFrom<number>(NUD.PERMANENT, NUD.STALE, NUD.FAILED),
        }),
      ),
      fdb: fc.array(
        fc.record({
          index: anyIndex,
          mac: anyMac,
          destination: anyIp,
          state: fc.constantFrom<number>(NUD.PERMANENT, NUD.REACHABLE),
        }),
      ),
      routes: fc.array(anyRoute, { maxLength: 12 }),
    })
    .map((state) => {
      const kernel = withUnderlay();
      if (!state.vxlan) return kernel;
      const { mtu, index, flags } = state;
      kernel.addLink('flannel.1', state.addresses.map(cidr), {
        mtu,
        index,
        flags,
        mac: state.mac,
        kind: { kind: 'vxlan', link: 2, ...state.vxlan },
      });
      const exists = (entry: { index: number }): boolean => entry.index === 2 || entry.index === index;
      kernel.neighbours = unique(
        state.neighbours.filter(exists),
        (entry) => `${entry.index} ${entry.ip.value}`,
      ).map((entry) => ({ ...entry, flags: 0, type: 1 }));
      kernel.fdb = unique(state.fdb.filter(exists), (entry) => `${entry.index} ${entry.mac}`).map(
        (entry) => ({
          ...entry,
          flags: NTF.SELF,
        }),
      );
      kernel.routes = state.routes.filter((entry) => entry.oif === 2 || (entry.oif === index && flags !== 0));
      return kernel;
    });

  test('carrying the plan out leads to the desired state, and nothing more is planned', () => {
    fc.assert(
      fc.property(anyKernel, fc.uniqueArray(fc.integer({ min: 1, max: 3 })), (kernel, peers) => {
        const desired = network(...peers);
        const foreign = kernel.routes.filter(
          (entry) => entry.oif === 2 && entry.protocol !== ROUTE_PROTOCOL && entry.tos !== 0,
        );
        converge(desired, kernel);
        expect(planNetwork(desired, kernel)).toEqual([]);
        const { index } = kernel.link('flannel.1');
        const on = <T extends { index: number }>(entries: T[]): T[] =>
          entries.filter((entry) => entry.index === index);
        expect(on(kernel.fdb)).toHaveLength(peers.length);
        expect(on(kernel.neighbours).filter((entry) => entry.state !== NUD.FAILED)).toHaveLength(
          peers.length,
        );
        const tunnel = kernel.routes.filter(
          (entry) => entry.oif === index && entry.protocol !== RTPROT.KERNEL,
        );
        expect(tunnel).toHaveLength(peers.length);
        expect(on(kernel.addresses).map((address) => address.address)).toEqual(device.addresses);
        for (const entry of foreign) expect(kernel.routes).toContain(entry);
      }),
      { numRuns: 500 },
    );
  });
});

function unique<T>(entries: readonly T[], key: (entry: T) => string): T[] {
  return [...new Map(entries.map((entry) => [key(entry), entry])).values()];
}
