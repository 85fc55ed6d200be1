import { describe, expect, test } from 'vitest';
import type { NetlinkRequest } from '../request.ts';
import {
  addBridgeVlans,
  delBridgeVlans,
  delLink,
  dumpBridgePorts,
  newLink,
  setBridgePort,
  setLink,
} from '../requests/link.ts';
import { hex, ip, mac, message } from '../testing/golden.ts';
import { BRIDGE_VLAN, bridgeVlanRange } from './bridge-vlan.ts';
import { AF } from './constants.ts';
import { decodeLink, decodeLinkSpec, encodeLink, IFF, type LinkSpec } from './link.ts';
import { NLM_F } from './message.ts';

/** What `ip` and `bridge` sent (iproute2 6.1), captured with `strace -e trace=sendmsg -e write=all`. */
const CAPTURED: readonly [command: string, bytes: string, request: NetlinkRequest, decoded: LinkSpec][] = [
  [
    'ip link add eth9 mtu 1400 address 02:00:00:00:00:01 type veth peer name peer9 mtu 1400 address 02:00:00:00:00:02',
    `84000000100005069205016b00000000 00000000000000000000000000000000 0800040078050000 0a000100020000000001 0000
     090003006574683900000000 44001200 0800010076657468 38000200 34000100 00000000000000000000000000000000
     0800040078050000 0a000100020000000002 0000 0a0003007065657239000000`,
    newLink({
      name: 'eth9',
      mtu: 1400,
      mac: mac('02:00:00:00:00:01'),
      kind: { kind: 'veth', peer: { name: 'peer9', mtu: 1400, mac: mac('02:00:00:00:00:02') } },
    }),
    {
      name: 'eth9',
      mtu: 1400,
      mac: mac('02:00:00:00:00:01'),
      kind: {
        kind: 'veth',
        peer: {
          family: 0,
          hardwareType: 0,
          index: 0,
          flags: 0,
          changeMask: 0,
          name: 'peer9',
          mtu: 1400,
          mac: mac('02:00:00:00:00:02'),
        },
      },
    },
  ],
  [
    'ip link add eth7 type veth peer name peer7 netns foo',
    `64000000100005069b09016b00000000 00000000000000000000000000000000 090003006574683700000000
     38001200 0800010076657468 2c000200 28000100 00000000000000000000000000000000
     08001c0004000000 0a0003007065657237000000`,
    newLink({ name: 'eth7', kind: { kind: 'veth', peer: { name: 'peer7', netnsFd: 4 } } }),
    {
      name: 'eth7',
      kind: {
        kind: 'veth',
        peer: { family: 0, hardwareType: 0, index: 0, flags: 0, changeMask: 0, name: 'peer7', netnsFd: 4 },
      },
    },
  ],
  [
    'ip link add br8 type bridge forward_delay 200 hello_time 300 ageing_time 30000 stp_state 0 priority 100 vlan_filtering 1 vlan_default_pvid 0 mcast_snooping 0 nf_call_iptables 1',
    `84000000100005069205016b00000000 00000000000000000000000000000000 0800030062723800 5c001200
     0a000100627269646765 0000 4c000200 08000100c8000000 080002002c010000 0800040030750000 0800050000000000
     0600060064000000 0500070001000000 0600270000000000 0500170000000000 0500240001000000`,
    newLink({
      name: 'br8',
      kind: {
        kind: 'bridge',
        forwardDelay: 200,
        helloTime: 300,
        ageingTime: 30000,
        stpState: 0,
        priority: 100,
        vlanFiltering: true,
        vlanDefaultPvid: 0,
        multicastSnooping: false,
        callIptables: true,
      },
    }),
    {
      name: 'br8',
      kind: {
        kind: 'bridge',
        forwardDelay: 200,
        helloTime: 300,
        ageingTime: 30000,
        stpState: 0,
        priority: 100,
        vlanFiltering: true,
        vlanDefaultPvid: 0,
        multicastSnooping: false,
        callIptables: true,
      },
    },
  ],
  [
    'ip link add flannel.1 mtu 1450 address 0a:00:00:00:00:01 type vxlan id 1 local 10.1.0.1 dev br9 dstport 8472 nolearning',
    `80000000100005069305016b00000000 00000000000000000000000000000000 08000400aa050000 0a0001000a0000000001 0000
     0e000300666c616e6e656c2e31000000 3c001200 0900010076786c616e000000 2c000200 0800030004000000
     0800010001000000 080004000a010001 0500070000000000 06000f0021180000`,
    newLink({
      name: 'flannel.1',
      mtu: 1450,
      mac: mac('0a:00:00:00:00:01'),
      kind: { kind: 'vxlan', id: 1, link: 4, local: ip('10.1.0.1'), learning: false, port: 8472 },
    }),
    {
      name: 'flannel.1',
      mtu: 1450,
      mac: mac('0a:00:00:00:00:01'),
      kind: { kind: 'vxlan', id: 1, link: 4, local: ip('10.1.0.1'), learning: false, port: 8472 },
    },
  ],
  [
    'ip link add vx6 type vxlan id 77 local 2001:db8::1 dev br9 dstport 4789 gbp l2miss l3miss proxy udp6zerocsumtx ttl 10 tos 4 ageing 30',
    `ac000000100005069305016b00000000 00000000000000000000000000000000 0800030076783600 84001200
     0900010076786c616e000000 74000200 0800030004000000 04001700 05000d0001000000 05000e0001000000
     05000b0001000000 0500130001000000 050005000a000000 0500060004000000 080008001e000000 080001004d000000
     1400110020010db8000000000000000000000001 0500070001000000 06000f0012b50000`,
    newLink({
      name: 'vx6',
      kind: {
        kind: 'vxlan',
        id: 77,
        link: 4,
        local: ip('2001:db8::1'),
        port: 4789,
        gbp: true,
        l2miss: true,
        l3miss: true,
        proxy: true,
        udpZeroChecksum6Tx: true,
        ttl: 10,
        tos: 4,
        ageing: 30,
        learning: true,
      },
    }),
    {
      name: 'vx6',
      kind: {
        kind: 'vxlan',
        id: 77,
        link: 4,
        local: ip('2001:db8::1'),
        port: 4789,
        gbp: true,
        l2miss: true,
        l3miss: true,
        proxy: true,
        udpZeroChecksum6Tx: true,
        ttl: 10,
        tos: 4,
        ageing: 30,
        learning: true,
      },
    },
  ],
  [
    'ip link set eth9 master br9',
    '28000000100005009205016b00000000 00000000030000000000000000000000 08000a0004000000',
    setLink({ index: 3, master: 4 }),
    { index: 3, master: 4 },
  ],
  [
    'ip link set dev br8 nomaster',
    '28000000100005009b09016b00000000 00000000040000000000000000000000 08000a0000000000',
    setLink({ index: 4, master: 0 }),
    { index: 4, master: 0 },
  ],
  [
    'ip link set eth9 up',
    '20000000100005009205016b00000000 00000000030000000100000001000000',
    setLink({ index: 3, flags: IFF.UP }),
    { index: 3, flags: IFF.UP, changeMask: IFF.UP },
  ],
  [
    'ip link set eth9 alias underpod:net/abc/eth0',
    `3c000000100005009305016b00000000 00000000030000000000000000000000
     19001400756e646572706f643a6e65742f6162632f65746830 000000`,
    setLink({ index: 3, alias: 'underpod:net/abc/eth0' }),
    { index: 3, alias: 'underpod:net/abc/eth0' },
  ],
  [
    'ip link set eth7 netns foo',
    '28000000100005009b09016b00000000 00000000030000000000000000000000 08001c0004000000',
    setLink({ index: 3, netnsFd: 4 }),
    { index: 3, netnsFd: 4 },
  ],
  [
    'ip link set eth9 type bridge_slave hairpin on isolated on learning off flood off mcast_flood off',
    `60000000100005009305016b00000000 00000000030000000000000000000000 40001200
     100001006272696467655f736c617665 2c000500 0500040001000000 0500210001000000 0500080000000000
     0500090000000000 05001b0000000000`,
    setLink({
      index: 3,
      kind: { kind: 'other', name: 'bridge_slave' },
      port: { hairpin: true, isolated: true, learning: false, unicastFlood: false, multicastFlood: false },
    }),
    {
      index: 3,
      kind: { kind: 'other', name: 'bridge_slave' },
      port: { hairpin: true, isolated: true, learning: false, unicastFlood: false, multicastFlood: false },
    },
  ],
  [
    'bridge link set dev eth9 hairpin off isolated off neigh_suppress on',
    `3c000000130005009405016b00000000 07000000030000000000000000000000 1c000c80
     0500040000000000 0500200001000000 0500210000000000`,
    setBridgePort(3, { hairpin: false, isolated: false, neighbourSuppress: true }),
    { family: AF.BRIDGE, index: 3, port: { hairpin: false, isolated: false, neighbourSuppress: true } },
  ],
  [
    'bridge vlan add dev eth9 vid 10 pvid untagged',
    '2c000000130005009405016b00000000 07000000030000000000000000000000 0c001a00 0800020006000a00',
    addBridgeVlans(3, [{ id: 10, flags: BRIDGE_VLAN.PVID | BRIDGE_VLAN.UNTAGGED }]),
    { family: AF.BRIDGE, index: 3, vlans: [{ id: 10, flags: BRIDGE_VLAN.PVID | BRIDGE_VLAN.UNTAGGED }] },
  ],
  [
    'bridge vlan del dev eth9 vid 20-30',
    '34000000110005009405016b00000000 07000000030000000000000000000000 14001a00 0800020008001400 0800020010001e00',
    delBridgeVlans(3, bridgeVlanRange(20, 30)),
    {
      family: AF.BRIDGE,
      index: 3,
      vlans: [
        { id: 20, flags: BRIDGE_VLAN.RANGE_BEGIN },
        { id: 30, flags: BRIDGE_VLAN.RANGE_END },
      ],
    },
  ],
  [
    'ip link del eth9',
    '20000000110005009205016b00000000 00000000030000000000000000000000',
    delLink({ index: 3 }),
    { index: 3 },
  ],
];

const NOTHING: LinkSpec = { family: 0, hardwareType: 0, index: 0, flags: 0, changeMask: 0 };

describe.each(CAPTURED)('%s', (_command, bytes, request, decoded) => {
  const captured = message(bytes);

  test('is what the request holds', () => {
    expect(request.payload.toHex()).toBe(captured.payload.toHex());
    expect(request.type).toBe(captured.type);
    expect(request.flags | NLM_F.REQUEST | NLM_F.ACK).toBe(captured.flags);
  });

  test('is decoded and encoded again', () => {
    const spec = decodeLinkSpec(captured.payload);
    expect(spec).toEqual({ ...NOTHING, ...decoded });
    expect(encodeLink(spec).toHex()).toBe(captured.payload.toHex());
  });
});

test('bridge vlan show', () => {
  const captured = message(
    '28000000120001039405016b00000000 07000000000000000000000000000000 08001d0002000000',
  );
  expect(decodeLinkSpec(captured.payload)).toEqual({ ...NOTHING, family: AF.BRIDGE, extMask: 2 });
  // The same question, ranges of VLANs in short form.
  expect(decodeLinkSpec(dumpBridgePorts().payload)).toEqual({ ...NOTHING, family: AF.BRIDGE, extMask: 4 });
});

test('a bridge port as the kernel tells it (SLAVE_KIND "bridge")', () => {
  const bytes = encodeLink({ index: 3, name: 'eth9', port: { hairpin: true } });
  expect(bytes.toHex()).toBe(
    hex(`00000000030000000000000000000000 090003006574683900000000 1c001200
         0a000400627269646765 0000 0c000500 0500040001000000`).toHex(),
  );
  expect(decodeLink(bytes).port).toEqual({ hairpin: true });
});

test('an alias may have 255 bytes, so no NUL byte follows it', () => {
  const alias = 'a'.repeat(255);
  const bytes = encodeLink({ alias });
  expect(bytes.length).toBe(16 + 4 + 256);
  expect(decodeLinkSpec(bytes).alias).toBe(alias);
});

test('VXLAN options with forms of their own', () => {
  const kind = {
    kind: 'vxlan',
    id: 5,
    flowLabel: 0x12345,
    portRange: { low: 32768, high: 61000 },
    group: ip('ff02::1'),
    udpChecksum: true,
    gpe: true,
    df: 1,
  } as const;
  const bytes = encodeLink({ name: 'v', kind });
  expect(decodeLink(bytes).kind).toEqual(kind);
  // Both in network order.
  expect(bytes.toHex()).toContain('08001a0000012345');
  expect(bytes.toHex()).toContain('08000a008000ee48');
});
