import { describe, expect, test } from 'vitest';
import { parseCidr } from '../../ip/cidr.ts';
import { parseIp } from '../../ip/ip.ts';
import { HEADER_SIZE } from '../../netlink/codec/message.ts';
import { daddr, saddr } from '../build/address.ts';
import { hostU32, networkU16 } from '../build/bytes.ts';
import { ctState, ctStatus, setCtMark } from '../build/conntrack.ts';
import * as field from '../build/field.ts';
import { ctMarkFromMap, inSet, priorityFromMap, updateSet, vmap } from '../build/lookup.ts';
import {
  fibDaddrType,
  fibSaddrType,
  iifname,
  markIs,
  markOr,
  markXor,
  oifname,
  setPriority,
} from '../build/match.ts';
import { dnatFromMap, dnatTo } from '../build/nat.ts';
import { type Part, rule } from '../build/rule.ts';
import {
  accept,
  counter,
  drop,
  goTo,
  jump,
  masquerade,
  raw,
  reject,
  rejectIn,
  rejectWithTcpReset,
  returns,
} from '../build/statement.ts';
import { dport, l4protoIs, sport } from '../build/transport.ts';
import type { ChainRef } from '../model/chain.ts';
import type { Expression } from '../model/expression.ts';
import { captured, encoded } from '../testing/golden-check.ts';
import { readRule } from './rule.ts';

const ip = (text: string) => parseIp(text)!;
const net = (text: string) => parseCidr(text)!;
const set = (name: string, id: number) => ({ name, id });

const c: ChainRef = { family: 'inet', table: 't', name: 'c' };
const post: ChainRef = { ...c, name: 'post' };
const pre: ChainRef = { ...c, name: 'pre' };
const load = (expression: Expression, value: Uint8Array): Part =>
  raw(expression, { kind: 'cmp', source: 0, op: '==', value });
const service = [field.ipDaddr, field.l4proto, field.thDport];
const service6 = [field.ip6Daddr, field.l4proto, field.thDport];

/** The command behind 'add rule', what it is made of here, and its comment. The last of several messages is the rule. */
const cases: [string, ChainRef, Part[], string?][] = [
  ['add rule inet t c ip saddr 10.1.2.3 accept', c, [saddr(ip('10.1.2.3')), accept()]],
  [
    'add rule inet t c ip saddr 10.0.0.0/8 ip daddr 10.0.0.0/8 accept',
    c,
    [saddr(net('10.0.0.0/8')), daddr(net('10.9.9.9/8')), accept()],
  ],
  ['add rule inet t c ip daddr != 10.244.0.0/22 drop', c, [daddr(net('10.244.0.0/22'), '!='), drop()]],
  ['add rule inet t c ip daddr 224.0.0.0/4 return', c, [daddr(net('224.0.0.0/4')), returns()]],
  ['add rule inet t c ip saddr 0.0.0.0/0 accept', c, [saddr(net('0.0.0.0/0')), accept()]],
  [
    'add rule inet t c ip6 saddr fd00::1 ip6 daddr != fd00:0:0:1::/64 return',
    c,
    [saddr(ip('fd00::1')), daddr(net('fd00:0:0:1::/64'), '!='), returns()],
  ],
  ['add rule inet t c ip6 daddr fe80::/10 return', c, [daddr(net('fe80::/10')), returns()]],
  [
    'add rule ip t4 c ip saddr 10.1.2.3 accept',
    { ...c, family: 'ip', table: 't4' },
    [saddr(ip('10.1.2.3')), accept()],
  ],
  [
    'add rule ip6 t6 c ip6 saddr fd00::1 accept',
    { ...c, family: 'ip6', table: 't6' },
    [saddr(ip('fd00::1')), accept()],
  ],
  [
    'add rule bridge tb c ip saddr 10.1.2.3 accept',
    { ...c, family: 'bridge', table: 'tb' },
    [saddr(ip('10.1.2.3')), accept()],
  ],
  [
    'add rule inet t c iifname "cni0" oifname != "eth0" accept',
    c,
    [iifname('cni0'), oifname('eth0', '!='), accept()],
  ],
  ['add rule inet t c iifname "veth*" accept', c, [iifname('veth*'), accept()]],
  ['add rule inet t c ct state established,related accept', c, [ctState('established', 'related'), accept()]],
  ['add rule inet t c ct status dnat accept', c, [ctStatus('dnat'), accept()]],
  [
    'add rule inet t c ct direction reply accept',
    c,
    [load({ kind: 'ct', key: 'direction', dest: 0 }, Uint8Array.of(1)), accept()],
  ],
  [
    'add rule inet t c ct original ip daddr 10.0.0.1 accept',
    c,
    [
      load({ kind: 'ct', key: 'dst-ip', direction: 'original', dest: 0 }, Uint8Array.of(10, 0, 0, 1)),
      accept(),
    ],
  ],
  ['add rule inet t c ct mark set 0', c, [setCtMark(0)]],
  ['add rule inet t c fib daddr type local accept', c, [fibDaddrType('local'), accept()]],
  ['add rule inet t c fib saddr type local accept', c, [fibSaddrType('local'), accept()]],
  [
    'add rule inet t c fib saddr . iif oif 0 drop',
    c,
    [load({ kind: 'fib', result: 'oif', inputs: ['saddr', 'iif'], dest: 0 }, hostU32(0)), drop()],
  ],
  ['add rule inet t c tcp dport 80 accept', c, [dport('tcp', 80), accept()]],
  ['add rule inet t c udp sport 53 accept', c, [sport('udp', 53), accept()]],
  ['add rule inet t c meta l4proto sctp accept', c, [l4protoIs('sctp'), accept()]],
  ['add rule inet t c tcp dport 100-200 accept', c, [dport('tcp', [100, 200]), accept()]],
  ['add rule inet t c tcp dport != 100-200 accept', c, [dport('tcp', [100, 200], '!='), accept()]],
  [
    'add rule inet t c meta mark 5-9 accept',
    c,
    [
      raw(
        { kind: 'meta', key: 'mark', dest: 0 },
        { kind: 'byteorder', source: 0, dest: 0, op: 'hton', length: 4, size: 4 },
        { kind: 'cmp', source: 0, op: '>=', value: Uint8Array.of(0, 0, 0, 5) },
        { kind: 'cmp', source: 0, op: '<=', value: Uint8Array.of(0, 0, 0, 9) },
      ),
      accept(),
    ],
  ],
  ['add rule inet t c ip saddr @hosts accept', c, [inSet(field.ipSaddr, set('hosts', 2)), accept()]],
  ['add rule inet t c ip saddr != @nets drop', c, [inSet(field.ipSaddr, set('nets', 1), '!='), drop()]],
  [
    'add rule inet t c ct status dnat ip saddr . ip daddr @pairs accept',
    c,
    [ctStatus('dnat'), inSet([field.ipSaddr, field.ipDaddr], set('pairs', 3)), accept()],
  ],
  [
    'add rule inet t c meta l4proto { tcp, udp, sctp } accept',
    c,
    [inSet(field.l4proto, set('__set%d', 10)), accept()],
  ],
  [
    'add rule inet t c ip saddr vmap { 10.0.0.1 : accept, 10.0.0.2 : jump d }',
    c,
    [vmap(field.ipSaddr, set('__map%d', 10))],
  ],
  [
    'add rule inet t c numgen random mod 2 vmap { 0 : jump d, 1 : accept }',
    c,
    [vmap(field.randomBelow(2), set('__map%d', 10))],
  ],
  [
    'add rule inet t c ip daddr . th dport @ranges accept',
    c,
    [inSet([field.ipDaddr, field.thDport], set('ranges', 4)), accept()],
  ],
  ['add rule inet t c ct mark vmap @lb', c, [vmap(field.ctMark, set('lb', 9))]],
  [
    'add rule inet t c ct mark set ip daddr . meta l4proto . th dport map @count',
    c,
    [ctMarkFromMap(service, set('count', 6))],
  ],
  ['add rule inet t c meta priority set none', c, [setPriority(0)]],
  [
    `table inet x {
  map frontends { type ipv4_addr . inet_proto . inet_service : classid; }
  chain c {
    meta priority set ip daddr . meta l4proto . th dport map @frontends
  }
}`,
    { ...c, table: 'x' },
    [priorityFromMap(service, set('frontends', 1))],
  ],
  [
    `table inet x {
  map treatments { type classid : verdict; }
  chain c {
    meta priority vmap @treatments
  }
}`,
    { ...c, table: 'x' },
    [vmap(field.packetPriority, set('treatments', 1))],
  ],
  [
    `table inet x {
  map slots { typeof ip daddr . meta l4proto . th dport . numgen random mod 3 : ip daddr . th dport; }
  chain pre {
    type nat hook prerouting priority dstnat;
    meta l4proto { tcp, udp, sctp } dnat ip to ip daddr . meta l4proto . th dport . numgen random mod 3 map @slots
  }
}`,
    { ...pre, table: 'x' },
    [
      inSet(field.l4proto, set('__set%d', 11)),
      dnatFromMap('ip', [...service, field.randomBelow(3)], set('slots', 1)),
    ],
  ],
  [
    `table inet x {
  map slots { typeof ip6 daddr . meta l4proto . th dport . numgen random mod 3 : ip6 daddr . th dport; }
  chain pre {
    type nat hook prerouting priority dstnat;
    dnat ip6 to ip6 daddr . meta l4proto . th dport . numgen inc mod 3 offset 2 map @slots
  }
}`,
    { ...pre, table: 'x' },
    [
      dnatFromMap(
        'ip6',
        [
          ...service6,
          {
            ...field.randomBelow(3),
            load: (dest) => ({ kind: 'numgen', mode: 'inc', modulus: 3, offset: 2, dest }),
          },
        ],
        set('slots', 1),
      ),
    ],
  ],
  [
    'add rule inet t c update @clients { ip saddr timeout 10s }',
    c,
    [updateSet(field.ipSaddr, set('clients', 5), { timeout: 10_000 })],
  ],
  [
    'add rule inet t c add @clients { ip saddr counter }',
    c,
    [
      updateSet(field.ipSaddr, set('clients', 5), {
        op: 'add',
        expressions: [{ kind: 'counter', packets: 0n, bytes: 0n }],
      }),
    ],
  ],
  ['add rule inet t c counter comment "all of them"', c, [counter()], 'all of them'],
  [
    'add rule inet t c counter packets 5 bytes 600 drop',
    c,
    [raw({ kind: 'counter', packets: 5n, bytes: 600n }), drop()],
  ],
  ['add rule inet t c jump d', c, [jump('d')]],
  ['add rule inet t post masquerade', post, [masquerade()]],
  ['add rule inet t post masquerade random', post, [masquerade('random')]],
  [
    'add rule inet t post masquerade fully-random,persistent',
    post,
    [masquerade('persistent', 'fully-random')],
  ],
  [
    'add rule inet t post ip saddr 10.1.2.3 ip daddr != 10.1.2.0/24 masquerade comment "0123456789abcdef-0123456789abcdef, net: n, if: eth0, id: c"',
    post,
    [saddr(ip('10.1.2.3')), daddr(net('10.1.2.3/24'), '!='), masquerade()],
    '0123456789abcdef-0123456789abcdef, net: n, if: eth0, id: c',
  ],
  ['add rule inet t pre dnat ip to 10.0.0.1', pre, [dnatTo(ip('10.0.0.1'))]],
  [
    'add rule inet t post snat ip to 10.0.0.1-10.0.0.9 random',
    post,
    [
      raw(
        { kind: 'immediate', dest: 0, value: Uint8Array.of(10, 0, 0, 1) },
        { kind: 'immediate', dest: 4, value: Uint8Array.of(10, 0, 0, 9) },
        { kind: 'nat', type: 'snat', family: 'ip', addressMin: 0, addressMax: 4, flags: ['random'] },
      ),
    ],
  ],
  ['add rule inet t c reject', c, [reject()]],
  ['add rule inet t c tcp dport 80 reject with tcp reset', c, [dport('tcp', 80), rejectWithTcpReset()]],
  ['add rule inet t c reject with icmpx type admin-prohibited', c, [reject('admin-prohibited')]],
  [
    'add rule ip t4 c reject with icmp type port-unreachable',
    { ...c, family: 'ip', table: 't4' },
    [rejectIn('ip')],
  ],
  [
    'add rule ip6 t6 c reject with icmpv6 type port-unreachable',
    { ...c, family: 'ip6', table: 't6' },
    [rejectIn('ip6')],
  ],
  ['add rule inet t c notrack', c, [raw({ kind: 'notrack' })]],
  [
    'add rule inet t c meta nftrace set 1',
    c,
    [
      raw(
        { kind: 'immediate', dest: 0, value: Uint8Array.of(1) },
        { kind: 'meta-set', key: 'nftrace', source: 0 },
      ),
    ],
  ],
];

describe('rules, byte for byte as nft sends them, and read back', () => {
  test.each(cases)('%s', (command, chain, parts, comment) => {
    const ours = rule(chain, parts, comment);
    expect(encoded([{ verb: 'add', object: ours }])[0]).toBe(captured(command).at(-1));
    expect(readRule(payloadOf(command))).toEqual(ours);
  });

  test('insert rule inet t c goto d', () => {
    const command = 'insert rule inet t c goto d';
    expect(encoded([{ verb: 'insert', object: rule(c, [goTo('d')]) }])).toEqual(captured(command));
  });
});

/**
 * Where nft says what the kernel takes for granted: the default operation of bitwise (nft leaves it out elsewhere), and
 * the flag that a port is given. The kernel lists both ever after, so they are read as nothing.
 */
const spelledOut: typeof cases = [
  ['add rule inet t c meta mark & 0x4000 == 0x4000 return', c, [markIs(0x4000, 0x4000), returns()]],
  ['add rule inet t c meta mark & 0x4000 != 0x4000 return', c, [markIs(0x4000, 0x4000, '!='), returns()]],
  ['add rule inet t c meta mark set meta mark | 0x4000', c, [markOr(0x4000)]],
  ['add rule inet t c meta mark set meta mark ^ 0x4000', c, [markXor(0x4000)]],
  [
    'add rule inet t pre meta l4proto tcp dnat ip to 10.0.0.1:80',
    pre,
    [l4protoIs('tcp'), dnatTo(ip('10.0.0.1'), 80)],
  ],
  [
    'add rule inet t pre meta l4proto tcp dnat ip6 to [fd00::1]:80',
    pre,
    [l4protoIs('tcp'), dnatTo(ip('fd00::1'), 80)],
  ],
  [
    'add rule inet t post meta l4proto tcp masquerade to :1024-65535',
    post,
    [
      l4protoIs('tcp'),
      raw(
        { kind: 'immediate', dest: 0, value: networkU16(1024) },
        { kind: 'immediate', dest: 4, value: networkU16(65535) },
        { kind: 'masquerade', flags: [], portMin: 0, portMax: 4 },
      ),
    ],
  ],
];

test.each(spelledOut)('%s, read as ours', (command, chain, parts) => {
  expect(readRule(payloadOf(command))).toEqual(rule(chain, parts));
});

describe('what is not modelled comes back unchanged', () => {
  const commands = [
    'add rule inet t c limit rate 5/second accept',
    'add rule inet t c log prefix "x" group 3',
    'add rule inet t c tcp option maxseg size set rt mtu',
  ];
  test.each(commands)('%s', (command) => {
    const read = readRule(payloadOf(command));
    expect(read.expressions.some(({ kind }) => kind === 'opaque')).toBe(true);
    expect(encoded([{ verb: 'add', object: read }])[0]).toBe(captured(command).at(-1));
  });
});

/** The payload of the last message of a command. */
function payloadOf(command: string): Uint8Array {
  return Uint8Array.fromHex(captured(command).at(-1) ?? '').subarray(HEADER_SIZE);
}
