import { describe, expect, test } from 'vitest';
import { hostU32, interfaceName, networkU16 } from '../build/bytes.ts';
import * as field from '../build/field.ts';
import { concat } from '../build/key.ts';
import { inSet } from '../build/lookup.ts';
import { rule } from '../build/rule.ts';
import { typeofHints } from '../build/typeof.ts';
import { isBusy, isExists, isNotFound, type NftError } from '../error.ts';
import type { Chain } from '../model/chain.ts';
import {
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
import { Transaction } from '../transaction.ts';
import { failure, type Subject, withoutHandle } from './subject.ts';

const t: Table = { kind: 'table', family: 'inet', name: 't' };
const c: Chain = { kind: 'chain', family: 'inet', table: 't', name: 'c' };
const tx = (): Transaction => new Transaction();
const ip = (text: string): Uint8Array => Uint8Array.from(text.split('.').map(Number));
const s: NftSet = { kind: 'set', family: 'inet', table: 't', name: 's', key: [ipv4Addr] };
const m: NftMap = { ...s, kind: 'map', name: 'm', data: [mark] };
const service = [ipv4Addr, inetProto, inetService] as const;

export function sets(subject: Subject): void {
  describe('sets and maps', () => {
    const all: (NftSet | NftMap)[] = [
      { ...s, name: 'addresses', comment: 'what for' },
      { ...s, name: 'nets', interval: true, key: [ipv6Addr] },
      { ...s, name: 'macs', key: [etherAddr] },
      { ...s, name: 'links', key: [ifname] },
      { ...s, name: 'ports', key: [ipv4Addr, inetService], interval: true },
      { ...s, name: 'clients', dynamic: true, timeout: 60_000, gcInterval: 5000, size: 100 },
      { ...s, name: 'leases', timeouts: true },
      { ...s, name: 'small', policy: 'memory' },
      { ...m, name: 'count', key: service },
      { ...m, name: 'lb', key: [mark], data: 'verdict' },
      { ...m, name: 'ranges', interval: true, data: [ipv4Addr] },
      {
        ...m,
        name: 'slots',
        key: [...service, integer],
        data: [ipv4Addr, inetService],
        hints: typeofHints(
          [field.ipDaddr, field.l4proto, field.thDport, field.randomBelow(3)],
          [field.ipDaddr, field.thDport],
        ),
      },
    ];

    test('are listed as they were added', () => {
      const nft = subject();
      nft.run(all.reduce((transaction, set) => transaction.add(set), tx().add(t)));
      expect(withoutHandle(nft.listSets(t))).toEqual(all);
    });

    test('add leaves an existing one alone, create refuses it', () => {
      const nft = subject();
      nft.run(tx().add(t).add(s));
      nft.run(tx().add(s));
      expect(isExists(failure(() => nft.run(tx().create(s))))).toBe(true);
      expect(isNotFound(failure(() => nft.run(tx().add({ ...s, table: 'u' }))))).toBe(true);
    });

    test('stay while a rule uses them', () => {
      const nft = subject();
      nft.run(
        tx()
          .add(t)
          .add(c)
          .add(s)
          .add(rule(c, [inSet(field.ipSaddr, 's')])),
      );
      expect(isBusy(failure(() => nft.run(tx().deleteSet(s))))).toBe(true);
      nft.run(tx().flushChain(c).deleteSet(s));
      expect(nft.listSets(t)).toEqual([]);
    });

    test('are deleted only if they are there, destroyed in any case', () => {
      const nft = subject();
      nft.run(tx().add(t));
      expect(isNotFound(failure(() => nft.run(tx().deleteSet(s))))).toBe(true);
      expect(isNotFound(failure(() => nft.run(tx().flushSet(s))))).toBe(true);
      nft.run(tx().destroySet(s));
      nft.run(tx().add(m));
      nft.run(tx().destroySet(m));
      expect(nft.listSets(t)).toEqual([]);
    });
  });
}

export function elements(subject: Subject): void {
  const sorted = (list: readonly Element[]): Element[] =>
    [...list].sort((a, b) => (a.key.toHex() < b.key.toHex() ? -1 : 1));
  const codeOf = (action: () => void): string => (failure(action) as NftError).code;

  describe('elements', () => {
    const kinds: [string, NftSet | NftMap, Element[]][] = [
      ['addresses', s, [{ key: ip('10.0.0.1') }, { key: ip('10.0.0.2'), comment: 'the second' }]],
      ['one-byte keys', { ...s, key: [inetProto] }, [{ key: Uint8Array.of(6) }, { key: Uint8Array.of(17) }]],
      ['names', { ...s, key: [ifname] }, [{ key: interfaceName('eth0') }]],
      ['values', m, [{ key: ip('10.0.0.1'), data: hostU32(7) }]],
      [
        'verdicts',
        { ...m, data: 'verdict' },
        [
          { key: ip('10.0.0.1'), data: { code: 'goto', chain: 'c' } },
          { key: ip('10.0.0.2'), data: { code: 'drop' } },
          { key: ip('10.0.0.3'), data: { code: 'jump', chain: 'c' }, comment: 'with a comment' },
        ],
      ],
      [
        'concatenations',
        { ...m, key: service, data: [ipv4Addr, inetService] },
        [
          {
            key: concat(ip('10.96.0.1'), Uint8Array.of(6), networkU16(443)),
            data: concat(ip('10.1.1.1'), networkU16(6443)),
          },
        ],
      ],
      [
        'ranges',
        { ...s, interval: true },
        [
          { key: ip('0.0.0.0'), keyEnd: ip('0.255.255.255') },
          { key: ip('10.0.0.0'), keyEnd: ip('10.255.255.255'), comment: 'ten' },
          { key: ip('11.0.0.0'), keyEnd: ip('11.0.0.3') },
          { key: ip('11.0.0.4') },
          { key: ip('240.0.0.0'), keyEnd: ip('255.255.255.255') },
        ],
      ],
      [
        'ranges with values',
        { ...m, interval: true },
        [
          { key: ip('10.0.0.0'), keyEnd: ip('10.255.255.255'), data: hostU32(1) },
          { key: ip('11.0.0.0'), data: hostU32(2) },
        ],
      ],
      [
        'ranges of concatenations',
        { ...s, key: [ipv4Addr, inetService], interval: true },
        [
          {
            key: concat(ip('10.0.0.0'), networkU16(80)),
            keyEnd: concat(ip('10.255.255.255'), networkU16(90)),
          },
          { key: concat(ip('11.0.0.1'), networkU16(443)) },
        ],
      ],
    ];
    test.each(kinds)('come back as they went: %s', (_, set, list) => {
      const nft = subject();
      nft.run(tx().add(t).add(c).add(set).addElements(set, list));
      expect(sorted(nft.listElements(set))).toEqual(list);
      nft.run(tx().deleteElements(set, list.slice(1)));
      expect(nft.listElements(set)).toEqual(list.slice(0, 1));
      nft.run(tx().flushSet(set));
      expect(nft.listElements(set)).toEqual([]);
    });

    test('add takes one that is there, create refuses it', () => {
      const nft = subject();
      const one = [{ key: ip('10.0.0.1') }];
      nft.run(tx().add(t).add(s).addElements(s, one));
      nft.run(tx().addElements(s, one));
      expect(nft.listElements(s)).toEqual(one);
      expect(isExists(failure(() => nft.run(tx().create({ kind: 'elements', set: s, elements: one }))))).toBe(
        true,
      );
    });

    test('of a map are not changed by adding: delete first, in the same transaction', () => {
      const nft = subject();
      const key = ip('10.0.0.1');
      nft.run(
        tx()
          .add(t)
          .add(m)
          .addElements(m, [{ key, data: hostU32(1) }]),
      );
      expect(isExists(failure(() => nft.run(tx().addElements(m, [{ key, data: hostU32(2) }]))))).toBe(true);
      nft.run(
        tx()
          .deleteElements(m, [{ key }])
          .addElements(m, [{ key, data: hostU32(2) }]),
      );
      expect(nft.listElements(m)).toEqual([{ key, data: hostU32(2) }]);
    });

    test('need their set, and are deleted only if they are there', () => {
      const nft = subject();
      const one = [{ key: ip('10.0.0.1') }];
      nft.run(tx().add(t));
      expect(isNotFound(failure(() => nft.run(tx().addElements(s, one))))).toBe(true);
      nft.run(tx().add(s));
      expect(isNotFound(failure(() => nft.run(tx().deleteElements(s, one))))).toBe(true);
    });

    test('that overlap are refused, the same range is not', () => {
      const nft = subject();
      const nets: NftSet = { ...s, interval: true };
      const ten = { key: ip('10.0.0.0'), keyEnd: ip('10.255.255.255') };
      nft.run(tx().add(t).add(nets).addElements(nets, [ten]));
      nft.run(tx().addElements(nets, [ten]));
      const inside = [{ key: ip('10.1.0.0'), keyEnd: ip('10.1.255.255') }];
      expect(isExists(failure(() => nft.run(tx().addElements(nets, inside))))).toBe(true);
      expect(nft.listElements(nets)).toEqual([ten]);
    });

    test('must be of the form that their set has', () => {
      const nft = subject();
      nft.run(tx().add(t).add(c).add(s).add(m));
      const key = ip('10.0.0.1');
      expect(codeOf(() => nft.run(tx().addElements(s, [{ key: Uint8Array.of(1, 2) }])))).toBe('EINVAL');
      expect(codeOf(() => nft.run(tx().addElements(s, [{ key, data: hostU32(1) }])))).toBe('EINVAL');
      expect(codeOf(() => nft.run(tx().addElements(m, [{ key }])))).toBe('EINVAL');
      expect(codeOf(() => nft.run(tx().addElements(m, [{ key, data: Uint8Array.of(1) }])))).toBe('EINVAL');
      expect(codeOf(() => nft.run(tx().addElements(s, [{ key, timeout: 5 }])))).toBe('EINVAL');
    });

    test('lead only to chains that are there', () => {
      const nft = subject();
      const lb: NftMap = { ...m, data: 'verdict' };
      nft.run(tx().add(t).add(lb));
      const element: Element = { key: ip('10.0.0.1'), data: { code: 'goto', chain: 'c' } };
      expect(isNotFound(failure(() => nft.run(tx().addElements(lb, [element]))))).toBe(true);
    });

    test('stop at the size of the set', () => {
      const nft = subject();
      const two: NftSet = { ...s, size: 2 };
      nft.run(
        tx()
          .add(t)
          .add(two)
          .addElements(two, [{ key: ip('10.0.0.1') }, { key: ip('10.0.0.2') }]),
      );
      expect(codeOf(() => nft.run(tx().addElements(two, [{ key: ip('10.0.0.3') }])))).toBe('ENFILE');
    });

    test('have a time to live', () => {
      const nft = subject();
      const leases: NftSet = { ...s, timeout: 60_000 };
      nft.run(
        tx()
          .add(t)
          .add(leases)
          .addElements(leases, [{ key: ip('10.0.0.1') }, { key: ip('10.0.0.2'), timeout: 3_600_000 }]),
      );
      const [first, second] = sorted(nft.listElements(leases));
      expect(first?.expires).toBeGreaterThan(30_000);
      expect(first?.expires).toBeLessThanOrEqual(60_000);
      expect(second?.timeout).toBe(3_600_000);
      expect(second?.expires).toBeGreaterThan(3_000_000);
    });

    test('begin with what is left of their time where they were moved', () => {
      const nft = subject();
      const leases: NftSet = { ...s, timeouts: true };
      nft.run(
        tx()
          .add(t)
          .add(leases)
          .addElements(leases, [{ key: ip('10.0.0.1'), timeout: 3_600_000, expires: 60_000 }]),
      );
      const [moved] = nft.listElements(leases);
      expect(moved?.timeout).toBe(3_600_000);
      expect(moved?.expires).toBeGreaterThan(30_000);
      expect(moved?.expires).toBeLessThanOrEqual(60_000);
    });

    test('are listed as strings of bytes', () => {
      const nft = subject();
      const timed: NftSet = { ...s, timeout: 60_000 };
      nft.run(
        tx()
          .add(t)
          .add(m)
          .add(timed)
          .addElements(m, [{ key: ip('10.0.200.1'), data: hostU32(0x8081), comment: 'why' }])
          .addElements(timed, [{ key: ip('10.0.0.1') }, { key: ip('10.0.0.2') }]),
      );
      expect(nft.listPacked(m)).toEqual(new Map([['\n\0\xc8\x01', '\x81\x80\0\0']]));
      expect([...nft.listPacked(timed)].sort()).toEqual([
        ['\n\0\0\x01', ''],
        ['\n\0\0\x02', ''],
      ]);
      expect(nft.listPacked({ ...m, name: 'missing' })).toEqual(new Map());
    });

    test('are found by their key', () => {
      const nft = subject();
      const elements = [{ key: ip('10.0.0.1'), data: hostU32(1) }];
      expect(nft.findElement(m, ip('10.0.0.1'))).toBeUndefined();
      nft.run(tx().add(t).add(m).addElements(m, elements));
      expect(nft.findElement(m, ip('10.0.0.1'))).toEqual(elements[0]);
      expect(nft.findElement(m, ip('10.0.0.2'))).toBeUndefined();
    });

    test('go in and out as a block', () => {
      const nft = subject();
      const block = {
        kind: 'block',
        set: m,
        keys: concat(ip('10.0.0.1'), ip('10.0.0.2')),
        data: concat(hostU32(1), hostU32(2)),
      } as const;
      nft.run(tx().add(t).add(m).add(block));
      expect(sorted(nft.listElements(m))).toEqual([
        { key: ip('10.0.0.1'), data: hostU32(1) },
        { key: ip('10.0.0.2'), data: hostU32(2) },
      ]);
      expect(isExists(failure(() => nft.run(tx().create(block))))).toBe(true);
      nft.run(tx().deleteBlock({ ...block, keys: ip('10.0.0.1'), data: hostU32(1) }));
      expect(nft.listElements(m)).toEqual([{ key: ip('10.0.0.2'), data: hostU32(2) }]);
      expect(isNotFound(failure(() => nft.run(tx().deleteBlock(block))))).toBe(true);
    });

    test('none at all are no change', () => {
      const nft = subject();
      nft.run(
        tx()
          .add(t)
          .add(s)
          .addElements(s, [{ key: ip('10.0.0.1') }]),
      );
      nft.run(tx().deleteElements(s, []));
      nft.run(tx().addElements(s, []));
      expect(nft.listElements(s)).toHaveLength(1);
    });
  });
}
