import { describe, expect, test } from 'vitest';
import { HEADER_SIZE } from '../../netlink/codec/message.ts';
import { hostU32, networkU16 } from '../build/bytes.ts';
import * as field from '../build/field.ts';
import { concat } from '../build/key.ts';
import { typeofHints } from '../build/typeof.ts';
import type { Chain } from '../model/chain.ts';
import {
  classid,
  etherAddr,
  ifname,
  inetProto,
  inetService,
  integer,
  ipv4Addr,
  ipv6Addr,
  mark,
} from '../model/data-type.ts';
import type { Element } from '../model/element.ts';
import type { NftMap, NftSet } from '../model/set.ts';
import type { Table } from '../model/table.ts';
import { captured, encoded } from '../testing/golden-check.ts';
import { Transaction } from '../transaction.ts';
import { readChain } from './chain.ts';
import type { RawElement } from './element.ts';
import { readElements } from './elements.ts';
import { fromRaw } from './interval.ts';
import { readSet } from './set.ts';
import { readTable } from './table.ts';

const t = { family: 'inet', table: 't' } as const;
const ip = (text: string): Uint8Array => Uint8Array.from(text.split('.').map(Number));

/** Our messages equal nft's. */
function sends(command: string, fill: (tx: Transaction) => void): void {
  const tx = new Transaction();
  fill(tx);
  expect(encoded(tx.operations)).toEqual(captured(command));
}

const payloadOf = (command: string, message: number = 0): Uint8Array =>
  Uint8Array.fromHex(captured(command)[message] ?? '').subarray(HEADER_SIZE);

describe('tables', () => {
  const cases: [string, 'add' | 'create', Table][] = [
    ['add table inet x', 'add', { kind: 'table', family: 'inet', name: 'x' }],
    ['create table ip x', 'create', { kind: 'table', family: 'ip', name: 'x' }],
    [
      'add table ip6 x { comment "why it is here"; }',
      'add',
      { kind: 'table', family: 'ip6', name: 'x', comment: 'why it is here' },
    ],
    [
      'add table inet x { flags dormant; }',
      'add',
      { kind: 'table', family: 'inet', name: 'x', dormant: true },
    ],
  ];
  test.each(cases)('%s', (command, verb, table) => {
    sends(command, (tx) => tx[verb](table));
    expect(readTable(payloadOf(command))).toEqual(table);
  });
});

describe('chains', () => {
  const x = { kind: 'chain', ...t, name: 'x' } as const;
  const cases: [string, 'add' | 'create', Chain][] = [
    ['add chain inet t x', 'add', x],
    ['create chain inet t x { comment "why"; }', 'create', { ...x, comment: 'why' }],
    [
      'add chain inet t x { type nat hook postrouting priority srcnat; }',
      'add',
      { ...x, base: { type: 'nat', hook: 'postrouting', priority: 100 } },
    ],
    [
      'add chain inet t x { type filter hook forward priority -5; policy drop; }',
      'add',
      { ...x, base: { type: 'filter', hook: 'forward', priority: -5, policy: 'drop' } },
    ],
    [
      'add chain inet t x { type route hook output priority mangle; }',
      'add',
      { ...x, base: { type: 'route', hook: 'output', priority: -150 } },
    ],
  ];
  test.each(cases)('%s', (command, verb, chain) => {
    sends(command, (tx) => tx[verb](chain));
    const policy = chain.base?.policy ?? 'accept';
    expect(readChain(payloadOf(command))).toEqual(
      chain.base ? { ...chain, base: { ...chain.base, policy } } : chain,
    );
  });
});

describe('sets and maps', () => {
  // nft numbers the sets of a transaction from 1 on, after those that it has read from the kernel.
  const x = { kind: 'set', ...t, name: 'x', id: 1 } as const;
  const m = { ...x, kind: 'map' } as const;
  const service = [ipv4Addr, inetProto, inetService] as const;
  const cases: [string, NftSet | NftMap][] = [
    ['add set inet t x { type ipv4_addr; }', { ...x, key: [ipv4Addr] }],
    [
      'add set inet t x { type ipv6_addr; flags interval; comment "nets"; }',
      { ...x, key: [ipv6Addr], interval: true, comment: 'nets' },
    ],
    [
      'add set inet t x { type ipv4_addr; flags dynamic,timeout; timeout 3h; gc-interval 10s; size 65536; }',
      { ...x, key: [ipv4Addr], dynamic: true, timeout: 3 * 3600_000, gcInterval: 10_000, size: 65536 },
    ],
    [
      'add set inet t x { type ipv4_addr . inet_service; policy memory; }',
      { ...x, key: [ipv4Addr, inetService], policy: 'memory' },
    ],
    [
      'add set inet t x { type ipv4_addr . inet_service; flags interval; }',
      { ...x, key: [ipv4Addr, inetService], interval: true },
    ],
    ['add set inet t x { type ether_addr; }', { ...x, key: [etherAddr] }],
    ['add set inet t x { type ifname; }', { ...x, key: [ifname] }],
    [
      'add map inet t x { type ipv4_addr . inet_proto . inet_service : mark; }',
      { ...m, key: service, data: [mark] },
    ],
    [
      'add map inet t x { type ipv4_addr . inet_proto . inet_service : classid; }',
      { ...m, key: service, data: [classid] },
    ],
    ['add map inet t x { type classid : verdict; }', { ...m, key: [classid], data: 'verdict' }],
    [
      'add map inet t x { type ipv4_addr . inet_proto . inet_service . mark : ipv4_addr . inet_service; }',
      { ...m, key: [...service, mark], data: [ipv4Addr, inetService] },
    ],
    [
      'add map inet t x { typeof ip daddr . meta l4proto . th dport . numgen random mod 3 : ip daddr . th dport; }',
      {
        ...m,
        key: [...service, integer],
        data: [ipv4Addr, inetService],
        hints: typeofHints(
          [field.ipDaddr, field.l4proto, field.thDport, field.randomBelow(3)],
          [field.ipDaddr, field.thDport],
        ),
      },
    ],
    [
      'add map inet t x { typeof ip6 daddr . meta l4proto . th dport . numgen random mod 3 : ip6 daddr . th dport; }',
      {
        ...m,
        key: [ipv6Addr, inetProto, inetService, integer],
        data: [ipv6Addr, inetService],
        hints: typeofHints(
          [field.ip6Daddr, field.l4proto, field.thDport, field.randomBelow(3)],
          [field.ip6Daddr, field.thDport],
        ),
      },
    ],
    [
      'add map inet t x { type mark : verdict; comment "kinds"; }',
      { ...m, key: [mark], data: 'verdict', comment: 'kinds' },
    ],
    [
      'add map inet t x { type ipv4_addr : ipv4_addr; flags interval; }',
      { ...m, key: [ipv4Addr], data: [ipv4Addr], interval: true },
    ],
  ];
  test.each(cases)('%s', (command, set) => {
    sends(command, (tx) => tx.add(set));
    expect(readSet(payloadOf(command))).toEqual(set);
  });

  test('a set with elements from the start', () => {
    const command = 'add set inet t x { type inet_service; flags constant; elements = { 80, 443 } }';
    const set: NftSet = { ...x, key: [inetService], constant: true, size: 2 };
    const elements = [{ key: networkU16(80) }, { key: networkU16(443) }];
    sends(command, (tx) => tx.add(set).addElements(set, elements));
    expect(readSet(payloadOf(command))).toEqual(set);
  });
});

describe('elements', () => {
  const base = { kind: 'set', ...t, key: [ipv4Addr] } as const;
  const m = { ...base, kind: 'map' } as const;
  const tcp443 = [ip('10.96.0.1'), Uint8Array.of(6), networkU16(443)];
  const cases: [string, 'add' | 'create', NftSet | NftMap, Element[]][] = [
    [
      'add element inet t hosts { 10.0.0.1, 10.0.0.2 comment "two" }',
      'add',
      { ...base, name: 'hosts' },
      [{ key: ip('10.0.0.1') }, { key: ip('10.0.0.2'), comment: 'two' }],
    ],
    [
      'create element inet t hosts { 10.0.0.1 }',
      'create',
      { ...base, name: 'hosts' },
      [{ key: ip('10.0.0.1') }],
    ],
    [
      'add element inet t nets { 0.0.0.0/8, 10.0.0.1, 10.1.0.0-10.1.0.9, 255.255.255.0/24 }',
      'add',
      { ...base, name: 'nets', interval: true },
      [
        { key: ip('0.0.0.0'), keyEnd: ip('0.255.255.255') },
        { key: ip('10.0.0.1') },
        { key: ip('10.1.0.0'), keyEnd: ip('10.1.0.9') },
        { key: ip('255.255.255.0'), keyEnd: ip('255.255.255.255') },
      ],
    ],
    [
      'add element inet t ranges { 10.0.0.0/8 . 80-90, 10.1.2.3 . 443 comment "one" }',
      'add',
      { ...base, name: 'ranges', key: [ipv4Addr, inetService], interval: true },
      [
        { key: concat(ip('10.0.0.0'), networkU16(80)), keyEnd: concat(ip('10.255.255.255'), networkU16(90)) },
        { key: concat(ip('10.1.2.3'), networkU16(443)), comment: 'one' },
      ],
    ],
    [
      'add element inet t clients { 10.0.0.1 timeout 5s }',
      'add',
      { ...base, name: 'clients', dynamic: true, timeout: 60_000, size: 100 },
      [{ key: ip('10.0.0.1'), timeout: 5000 }],
    ],
    [
      'add element inet t clients { 10.0.0.1 timeout 5s expires 3s }',
      'add',
      { ...base, name: 'clients', dynamic: true, timeout: 60_000, size: 100 },
      [{ key: ip('10.0.0.1'), timeout: 5000, expires: 3000 }],
    ],
    [
      'add element inet t count { 10.96.0.1 . tcp . 443 : 3 }',
      'add',
      { ...m, name: 'count', key: [ipv4Addr, inetProto, inetService], data: [mark] },
      [{ key: concat(...tcp443), data: hostU32(3) }],
    ],
    [
      'add element inet t slots { 10.96.0.1 . tcp . 443 . 2 : 10.1.1.1 . 6443 }',
      'add',
      { ...m, name: 'slots', key: [ipv4Addr, inetProto, inetService, mark], data: [ipv4Addr, inetService] },
      [{ key: concat(...tcp443, hostU32(2)), data: concat(ip('10.1.1.1'), networkU16(6443)) }],
    ],
    [
      'add element inet t lb { 1 : accept, 2 : drop, 3 : goto c, 4 : jump d, 5 : return, 6 : continue }',
      'add',
      { ...m, name: 'lb', key: [mark], data: 'verdict' },
      [
        { key: hostU32(1), data: { code: 'accept' } },
        { key: hostU32(2), data: { code: 'drop' } },
        { key: hostU32(3), data: { code: 'goto', chain: 'c' } },
        { key: hostU32(4), data: { code: 'jump', chain: 'd' } },
        { key: hostU32(5), data: { code: 'return' } },
        { key: hostU32(6), data: { code: 'continue' } },
      ],
    ],
  ];
  test.each(cases)('%s', (command, verb, set, elements) => {
    const id = setIdOf(command);
    sends(command, (tx) => tx[verb]({ kind: 'elements', set: { ...set, id }, elements }));
    const raw: RawElement[] = [];
    readElements(payloadOf(command), raw);
    expect(fromRaw(set, raw)).toEqual(elements);
  });

  test('deletion', () => {
    const command = 'delete element inet t clients { 10.0.0.9 }';
    const set: NftSet = { ...base, name: 'clients' };
    sends(command, (tx) => tx.deleteElements(set, [{ key: ip('10.0.0.9') }]));
  });
});

describe('deletion and emptying', () => {
  const cases: [string, (tx: Transaction) => Transaction][] = [
    ['delete table inet t', (tx) => tx.deleteTable({ family: 'inet', name: 't' })],
    ['flush table inet t', (tx) => tx.flushTable({ family: 'inet', name: 't' })],
    ['delete chain inet t d', (tx) => tx.deleteChain({ ...t, name: 'd' })],
    ['flush chain inet t c', (tx) => tx.flushChain({ ...t, name: 'c' })],
    ['delete set inet t hosts', (tx) => tx.deleteSet({ ...t, name: 'hosts' })],
    ['flush set inet t hosts', (tx) => tx.flushSet({ ...t, name: 'hosts' })],
    ['delete map inet t lb', (tx) => tx.deleteSet({ ...t, name: 'lb' })],
  ];
  test.each(cases)('%s', (command, fill) => sends(command, fill));
});

/** NFTA_SET_ELEM_LIST_SET_ID: nft counts the sets it has read from the kernel, so it depends on the prelude. */
function setIdOf(command: string): number {
  const attribute = /08000400([0-9a-f]{8})/.exec(captured(command)[0] ?? '');
  return Number.parseInt(attribute?.[1] ?? '', 16);
}
