import { afterAll, describe, expect, test } from 'vitest';
import { freshNetns, ipJson, run, TemporaryDirectory } from '../../conformance/testing/netns.ts';
import { createNetns, deleteNetns, openNetns } from '../sys/netns.ts';
import { FOREVER, IFA_F, SCOPE } from './codec/address.ts';
import { IFF } from './codec/link.ts';
import { NTF, NUD } from './codec/neighbour.ts';
import { RTN, RTNH_F, RTPROT } from './codec/route.ts';
import { FIB_RULE, FR_ACT } from './codec/rule.ts';
import {
  appendFdb,
  delAddress,
  delFdb,
  delLink,
  delNeighbour,
  delRoute,
  delRule,
  getRoute,
  newAddress,
  newLink,
  newRoute,
  newRule,
  replaceAddress,
  replaceFdb,
  replaceNeighbour,
  replaceRoute,
  setBridgePort,
  setLink,
} from './requests.ts';
import { Rtnetlink } from './rtnetlink.ts';
import { cidr, ip, mac } from './testing/golden.ts';

/* What is sent here, the kernel is asked back by `ip -j`; what `ip` configured, our decoders must tell the same of. */

const available = freshNetns();

describe.skipIf(!available)('the kernel', () => {
  const directory = new TemporaryDirectory();
  const path = directory.join('other');
  if (available) createNetns(path);
  const rt = available ? Rtnetlink.open() : (undefined as unknown as Rtnetlink);
  afterAll(() => {
    rt[Symbol.dispose]();
    deleteNetns(path);
    directory[Symbol.dispose]();
  });

  test('makes a bridge with its options', () => {
    rt.socket.request(
      newLink({
        name: 'br0',
        mtu: 1400,
        flags: IFF.UP,
        kind: { kind: 'bridge', forwardDelay: 200, ageingTime: 0, multicastSnooping: false, priority: 100 },
      }),
    );
    expect(ipJson('link', 'show', 'br0')).toMatchObject([
      {
        mtu: 1400,
        flags: expect.arrayContaining(['UP']),
        linkinfo: {
          info_kind: 'bridge',
          info_data: { forward_delay: 200, ageing_time: 0, mcast_snooping: 0, priority: 100 },
        },
      },
    ]);
    const { kind } = rt.linkByName('br0') ?? {};
    expect(kind).toMatchObject({
      kind: 'bridge',
      forwardDelay: 200,
      multicastSnooping: false,
      priority: 100,
    });
  });

  test('makes a veth pair with its other end in another namespace, and a bridge port of it, in one send', () => {
    using netns = openNetns(path);
    const bridge = rt.linkByName('br0')!.index;
    rt.socket.requestAll([
      newLink({
        name: 'host0',
        mtu: 1400,
        master: bridge,
        flags: IFF.UP,
        kind: {
          kind: 'veth',
          peer: { name: 'eth0', mtu: 1400, mac: mac('02:00:00:00:00:05'), netnsFd: netns.fd },
        },
      }),
      setLink({
        name: 'host0',
        alias: 'underpod:net/pod/eth0',
        port: { hairpin: true, isolated: true, learning: false },
      }),
    ]);
    expect(ipJson('link', 'show', 'host0')).toMatchObject([
      {
        mtu: 1400,
        master: 'br0',
        ifalias: 'underpod:net/pod/eth0',
        linkinfo: {
          info_kind: 'veth',
          info_slave_data: { hairpin: true, isolated: true, learning: false },
        },
      },
    ]);
    using inside = Rtnetlink.open({ netns });
    const peer = inside.linkByName('eth0')!;
    expect(peer).toMatchObject({ mtu: 1400, mac: mac('02:00:00:00:00:05'), kind: { kind: 'veth' } });
    expect(rt.linkByName('host0')).toMatchObject({
      parent: peer.index,
      master: bridge,
      alias: 'underpod:net/pod/eth0',
      port: { hairpin: true, isolated: true, learning: false, unicastFlood: true },
    });
  });

  test('changes the options of a bridge port by the message of family AF_BRIDGE, too', () => {
    const { index } = rt.linkByName('host0')!;
    rt.socket.request(setBridgePort(index, { hairpin: false, neighbourSuppress: true }));
    expect(ipJson('link', 'show', 'host0')).toMatchObject([
      { linkinfo: { info_slave_data: { hairpin: false, neigh_suppress: true, isolated: true } } },
    ]);
    const ports = rt.bridgePorts();
    expect(ports.find((port) => port.index === index)?.port).toMatchObject({
      hairpin: false,
      isolated: true,
    });
  });

  test('makes VXLAN devices over IPv4 and IPv6', () => {
    const link = rt.linkByName('br0')!.index;
    rt.socket.requestAll([
      newAddress({ index: link, address: cidr('10.1.0.1/24') }),
      newAddress({ index: link, address: cidr('2001:db8::1/64'), flags: IFA_F.NODAD }),
      newLink({
        name: 'flannel.1',
        mtu: 1350,
        mac: mac('0a:00:00:00:00:01'),
        flags: IFF.UP,
        kind: { kind: 'vxlan', id: 1, link, local: ip('10.1.0.1'), port: 8472, learning: false },
      }),
      newLink({
        name: 'flannel-v6.1',
        flags: IFF.UP,
        kind: {
          kind: 'vxlan',
          id: 1,
          link,
          local: ip('2001:db8::1'),
          port: 8473,
          gbp: true,
          l2miss: true,
          l3miss: true,
          udpZeroChecksum6Rx: true,
          portRange: { low: 40_000, high: 50_000 },
        },
      }),
    ]);
    expect(ipJson('link', 'show', 'flannel.1')).toMatchObject([
      {
        address: '0a:00:00:00:00:01',
        mtu: 1350,
        linkinfo: {
          info_kind: 'vxlan',
          info_data: { id: 1, local: '10.1.0.1', link: 'br0', port: 8472, learning: false },
        },
      },
    ]);
    expect(ipJson('link', 'show', 'flannel-v6.1')).toMatchObject([
      {
        linkinfo: {
          info_data: {
            local6: '2001:db8::1',
            port: 8473,
            port_range: { low: 40_000, high: 50_000 },
            learning: true,
            gbp: true,
            l2miss: true,
            l3miss: true,
            udp_zero_csum6_rx: true,
          },
        },
      },
    ]);
    expect(rt.links({ kind: 'vxlan' }).map(({ name, kind }) => ({ name, kind }))).toMatchObject([
      {
        name: 'flannel.1',
        kind: { kind: 'vxlan', id: 1, local: ip('10.1.0.1'), port: 8472, learning: false },
      },
      { name: 'flannel-v6.1', kind: { kind: 'vxlan', local: ip('2001:db8::1'), gbp: true, l2miss: true } },
    ]);
  });

  test('tells of every link what `ip` tells of it', () => {
    const told = ipJson<
      { ifindex: number; ifname: string; mtu: number; address: string; link_index?: number }[]
    >('link', 'show');
    const ours = rt.links();
    expect(ours.map(({ index, name, mtu }) => ({ index, name, mtu }))).toEqual(
      told.map((link) => ({ index: link.ifindex, name: link.ifname, mtu: link.mtu })),
    );
    expect(ours.map((link) => link.mac)).toEqual(told.map((link) => mac(link.address)));
    expect(rt.links({ master: rt.linkByName('br0')!.index }).map((link) => link.name)).toEqual(['host0']);
    expect(rt.linkByName('nothing')).toBeUndefined();
    expect(rt.linkByIndex(1)?.name).toBe('lo');
  });

  test('gives addresses their flags, labels, peers and life times', () => {
    const { index } = rt.linkByName('host0')!;
    rt.socket.requestAll([
      newAddress({
        index,
        address: cidr('10.5.0.1/24'),
        broadcast: ip('10.5.0.255'),
        label: 'host0:1',
        flags: IFA_F.NOPREFIXROUTE,
      }),
      newAddress({ index, address: cidr('10.6.0.1/32'), peer: ip('10.6.0.2'), scope: SCOPE.LINK }),
      newAddress({
        index,
        address: cidr('fd00:5::1/64'),
        flags: IFA_F.NODAD | IFA_F.NOPREFIXROUTE,
        cacheInfo: { preferred: 0, valid: 1000, created: 0, updated: 0 },
      }),
    ]);
    const [told] = ipJson<{ addr_info: { local: string }[] }[]>('address', 'show', 'host0');
    const of = (local: string): unknown => told?.addr_info.find((address) => address.local === local);
    expect(of('10.5.0.1')).toMatchObject({
      prefixlen: 24,
      broadcast: '10.5.0.255',
      label: 'host0:1',
      noprefixroute: true,
      scope: 'global',
    });
    expect(of('10.6.0.1')).toMatchObject({ address: '10.6.0.2', prefixlen: 32, scope: 'link' });
    expect(of('fd00:5::1')).toMatchObject({
      prefixlen: 64,
      nodad: true,
      noprefixroute: true,
      deprecated: true,
      preferred_life_time: 0,
    });
    const ours = rt.addresses({ index, family: 4 });
    expect(ours).toHaveLength(2);
    expect(ours).toContainEqual(
      expect.objectContaining({
        address: cidr('10.5.0.1/24'),
        broadcast: ip('10.5.0.255'),
        label: 'host0:1',
      }),
    );
    expect(ours).toContainEqual(
      expect.objectContaining({ address: cidr('10.6.0.1/32'), peer: ip('10.6.0.2'), scope: SCOPE.LINK }),
    );
    expect(ours[1]?.cacheInfo).toMatchObject({ valid: FOREVER });

    rt.socket.requestAll([
      replaceAddress({ index, address: cidr('fd00:5::1/64'), flags: IFA_F.NODAD }),
      delAddress({ index, address: cidr('10.5.0.1/24') }),
    ]);
    expect(rt.addresses({ index, family: 4 })).toHaveLength(1);
    const kept = rt.addresses({ index, family: 6 }).find((address) => address.scope === SCOPE.UNIVERSE);
    expect(kept).toMatchObject({ address: cidr('fd00:5::1/64'), cacheInfo: { valid: FOREVER } });
  });

  test('routes: on link, by a metric, with metrics of TCP, in other tables, by several next hops', () => {
    const bridge = rt.linkByName('br0')!.index;
    const vxlan = rt.linkByName('flannel.1')!.index;
    rt.socket.requestAll([
      newRoute({
        destination: cidr('10.244.1.0/24'),
        gateway: ip('10.244.1.0'),
        oif: vxlan,
        flags: RTNH_F.ONLINK,
      }),
      replaceRoute({
        destination: cidr('10.9.0.0/16'),
        oif: bridge,
        preferredSource: ip('10.1.0.1'),
        priority: 50,
        table: 1000,
        protocol: 17,
        metrics: { mtu: 1300, advmss: 1260 },
      }),
      newRoute({
        destination: cidr('10.8.0.0/16'),
        nextHops: [
          { oif: bridge, weight: 3, flags: 0, gateway: ip('10.1.0.2') },
          { oif: bridge, weight: 1, flags: 0, gateway: ip('10.1.0.3') },
        ],
      }),
      newRoute({ destination: cidr('10.7.0.0/16'), gateway: ip('fe80::7'), oif: bridge }),
      newRoute({ destination: cidr('10.66.0.0/16'), type: RTN.BLACKHOLE }),
      newRoute({ destination: cidr('fd00:9::/64'), gateway: ip('2001:db8::9'), oif: bridge, preference: 1 }),
      newRoute({ destination: cidr('::/0'), oif: bridge }),
    ]);
    const told = ipJson('route', 'show');
    expect(told).toContainEqual(
      expect.objectContaining({
        dst: '10.244.1.0/24',
        gateway: '10.244.1.0',
        dev: 'flannel.1',
        flags: ['onlink'],
      }),
    );
    expect(told).toContainEqual(
      expect.objectContaining({ dst: '10.7.0.0/16', via: { family: 'inet6', host: 'fe80::7' } }),
    );
    expect(told).toContainEqual(expect.objectContaining({ dst: '10.66.0.0/16', type: 'blackhole' }));
    expect(told).toContainEqual(
      expect.objectContaining({
        dst: '10.8.0.0/16',
        nexthops: [
          expect.objectContaining({ gateway: '10.1.0.2', weight: 3 }),
          expect.objectContaining({ gateway: '10.1.0.3', weight: 1 }),
        ],
      }),
    );
    expect(ipJson('route', 'show', 'table', '1000')).toMatchObject([
      {
        dst: '10.9.0.0/16',
        dev: 'br0',
        protocol: '17',
        scope: 'link',
        prefsrc: '10.1.0.1',
        metric: 50,
        metrics: [{ mtu: 1300, advmss: 1260 }],
      },
    ]);
    expect(ipJson('-6', 'route', 'show', 'fd00:9::/64')).toMatchObject([
      { gateway: '2001:db8::9', pref: 'high' },
    ]);

    expect(rt.routes({ family: 4, table: 1000 })).toEqual([
      {
        destination: cidr('10.9.0.0/16'),
        oif: bridge,
        preferredSource: ip('10.1.0.1'),
        priority: 50,
        table: 1000,
        protocol: 17,
        scope: SCOPE.LINK,
        type: RTN.UNICAST,
        // The bridge has no port that is up.
        flags: RTNH_F.LINKDOWN,
        tos: 0,
        metrics: { mtu: 1300, advmss: 1260 },
      },
    ]);
    const all = rt.routes({ family: 4 });
    const to = (text: string): unknown => all.find((route) => sameCidr(route.destination, text));
    expect(to('10.7.0.0/16')).toMatchObject({ gateway: ip('fe80::7') });
    expect(to('10.8.0.0/16')).toMatchObject({
      nextHops: [
        { weight: 3, gateway: ip('10.1.0.2') },
        { weight: 1, gateway: ip('10.1.0.3') },
      ],
    });
    expect(rt.routes({ family: 4, oif: vxlan, protocol: RTPROT.BOOT })).toMatchObject([
      { destination: cidr('10.244.1.0/24'), gateway: ip('10.244.1.0'), flags: RTNH_F.ONLINK },
    ]);
    expect(rt.routes({ family: 6, table: 254 })).toContainEqual(
      expect.objectContaining({ destination: cidr('::/0'), oif: bridge }),
    );
    expect(rt.routes({ family: 4, table: 4711 })).toEqual([]);

    rt.socket.requestAll([
      delRoute({ destination: cidr('10.9.0.0/16'), table: 1000 }),
      delRoute({ destination: cidr('10.66.0.0/16') }),
    ]);
    expect(rt.routes({ family: 4, table: 1000 })).toEqual([]);
  });

  test('tells the way to an address', () => {
    const vxlan = rt.linkByName('flannel.1')!.index;
    expect(rt.routeTo(ip('10.244.1.9'))).toMatchObject({ oif: vxlan, gateway: ip('10.244.1.0'), table: 254 });
    expect(rt.routeTo(ip('203.0.113.1'))).toBeUndefined();
    expect(() => rt.socket.request(getRoute(ip('203.0.113.1')))).toThrow(/ENETUNREACH/);
  });

  test('rules', () => {
    rt.socket.requestAll([
      newRule({
        family: 4,
        source: cidr('10.1.0.0/24'),
        mark: 0x10,
        mask: 0xff,
        table: 1000,
        priority: 100,
      }),
      newRule({
        family: 4,
        flags: FIB_RULE.INVERT,
        ipProtocol: 6,
        destinationPorts: { start: 80, end: 90 },
        action: FR_ACT.UNREACHABLE,
        priority: 101,
      }),
      newRule({ family: 6, iif: 'br0', table: 77, suppressPrefixLength: 0, priority: 50 }),
    ]);
    expect(ipJson('rule', 'show')).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          priority: 100,
          src: '10.1.0.0',
          srclen: 24,
          fwmark: '0x10',
          fwmask: '0xff',
          table: '1000',
        }),
        expect.objectContaining({
          priority: 101,
          not: null,
          dport_start: 80,
          dport_end: 90,
          action: 'unreachable',
        }),
      ]),
    );
    expect(ipJson('-6', 'rule', 'show')).toContainEqual(
      expect.objectContaining({ priority: 50, iif: 'br0', table: '77', suppress_prefixlen: 0 }),
    );
    expect(rt.rules(6)).toContainEqual(
      expect.objectContaining({ priority: 50, iif: 'br0', table: 77, suppressPrefixLength: 0 }),
    );
    rt.socket.requestAll([delRule({ family: 4, priority: 100 }), delRule({ family: 4, priority: 101 })]);
    expect(rt.rules(4).map((rule) => rule.priority ?? 0)).toEqual([0, 32_766, 32_767]);
  });

  test('neighbours', () => {
    const index = rt.linkByName('flannel.1')!.index;
    rt.socket.requestAll([
      replaceNeighbour({ index, ip: ip('10.244.1.0'), mac: mac('0a:00:00:00:00:02') }),
      replaceNeighbour({ index, ip: ip('fd00:244::'), mac: mac('0a:00:00:00:00:03'), flags: NTF.ROUTER }),
    ]);
    expect(ipJson('neighbour', 'show', 'dev', 'flannel.1')).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ dst: '10.244.1.0', lladdr: '0a:00:00:00:00:02', state: ['PERMANENT'] }),
        expect.objectContaining({ dst: 'fd00:244::', router: null }),
      ]),
    );
    expect(rt.neighbours(4, { index })).toMatchObject([
      { index, ip: ip('10.244.1.0'), mac: mac('0a:00:00:00:00:02'), state: NUD.PERMANENT },
    ]);
    rt.socket.request(delNeighbour({ index, ip: ip('10.244.1.0') }));
    expect(rt.neighbours(4, { index })).toEqual([]);
  });

  test('forwarding entries of a VXLAN device and of a bridge', () => {
    const index = rt.linkByName('flannel.1')!.index;
    const port = rt.linkByName('host0')!.index;
    const bridge = rt.linkByName('br0')!.index;
    rt.socket.requestAll([
      replaceFdb({ index, mac: mac('0a:00:00:00:00:02'), destination: ip('10.1.0.9') }),
      appendFdb({ index, mac: mac('00:00:00:00:00:00'), destination: ip('10.1.0.8'), vni: 7, port: 4790 }),
      appendFdb({ index, mac: mac('00:00:00:00:00:00'), destination: ip('10.1.0.9') }),
      replaceFdb({
        index: port,
        mac: mac('0a:00:00:00:00:33'),
        state: NUD.NOARP,
        flags: NTF.MASTER,
      }),
    ]);
    const told = JSON.parse(run('bridge', '-j', 'fdb', 'show', 'dev', 'flannel.1')) as unknown[];
    expect(told).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          mac: '0a:00:00:00:00:02',
          dst: '10.1.0.9',
          flags: ['self'],
          state: 'permanent',
        }),
        expect.objectContaining({ mac: '00:00:00:00:00:00', dst: '10.1.0.8', vni: 7, port: 4790 }),
      ]),
    );
    expect(rt.fdb({ index })).toHaveLength(3);
    expect(rt.fdb({ index })).toContainEqual({
      index,
      mac: mac('00:00:00:00:00:00'),
      destination: ip('10.1.0.8'),
      vni: 7,
      port: 4790,
      state: NUD.PERMANENT,
      flags: NTF.SELF,
      unknown: expect.anything(),
    });
    expect(rt.fdb({ master: bridge })).toContainEqual(
      expect.objectContaining({
        index: port,
        mac: mac('0a:00:00:00:00:33'),
        master: bridge,
        state: NUD.NOARP,
      }),
    );
    rt.socket.request(delFdb({ index, mac: mac('0a:00:00:00:00:02'), destination: ip('10.1.0.9') }));
    expect(rt.fdb({ index })).toHaveLength(2);
  });

  test('deletes links', () => {
    rt.socket.requestAll([delLink({ name: 'host0' }), delLink({ index: rt.linkByName('flannel.1')!.index })]);
    expect(ipJson<{ ifname: string }[]>('link', 'show').map((link) => link.ifname)).toEqual([
      'lo',
      'br0',
      'flannel-v6.1',
    ]);
  });
});

function sameCidr(one: { ip: { value: bigint }; prefix: number }, text: string): boolean {
  const other = cidr(text);
  return one.ip.value === other.ip.value && one.prefix === other.prefix;
}
