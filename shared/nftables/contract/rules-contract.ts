import { describe, expect, test } from 'vitest';
import { parseCidr } from '../../ip/cidr.ts';
import { parseIp } from '../../ip/ip.ts';
import { daddr, saddr } from '../build/address.ts';
import { anonymousSet } from '../build/anonymous.ts';
import { ctState, ctStatus, setCtMark } from '../build/conntrack.ts';
import * as field from '../build/field.ts';
import { ctMarkFromMap, inSet, updateSet, vmap } from '../build/lookup.ts';
import { fibDaddrType, iifname, markIs, markOr, oifname } from '../build/match.ts';
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
  rejectWithTcpReset,
  returns,
} from '../build/statement.ts';
import { dport, l4protoIs, sport } from '../build/transport.ts';
import { isExists, isNoSupport, isNotFound, isOutdated, type NftError } from '../error.ts';
import type { Chain } from '../model/chain.ts';
import { inetProto, inetService, integer, ipv4Addr, mark } from '../model/data-type.ts';
import type { Rule, RuleLabel } from '../model/rule.ts';
import type { NftMap, NftSet } from '../model/set.ts';
import type { Table } from '../model/table.ts';
import { Transaction } from '../transaction.ts';
import { failure, type Subject, withoutHandle } from './subject.ts';

const t: Table = { kind: 'table', family: 'inet', name: 't' };
const chain = (name: string): Chain => ({ kind: 'chain', family: 'inet', table: 't', name });
const c = chain('c');
const d = chain('d');
const post: Chain = { ...chain('post'), base: { type: 'nat', hook: 'postrouting', priority: 100 } };
const pre: Chain = { ...chain('pre'), base: { type: 'nat', hook: 'prerouting', priority: -100 } };
const tx = (): Transaction => new Transaction();
const start = (): Transaction => tx().add(t).add(c).add(d).add(post).add(pre);
const note = (comment: string): Rule => rule(c, [counter()], comment);
const ip = (text: string) => parseIp(text)!;
const net = (text: string) => parseCidr(text)!;

const hosts: NftSet = { kind: 'set', family: 'inet', table: 't', name: 'hosts', key: [ipv4Addr] };
const clients: NftSet = { ...hosts, name: 'clients', dynamic: true, timeout: 60_000, size: 100 };
const service = [ipv4Addr, inetProto, inetService] as const;
const serviceKey = [field.ipDaddr, field.l4proto, field.thDport] as const;
const count: NftMap = { ...hosts, kind: 'map', name: 'count', key: service, data: [mark] };
const slots: NftMap = { ...count, name: 'slots', key: [...service, integer], data: [ipv4Addr, inetService] };
const lb: NftMap = { ...count, name: 'lb', key: [mark], data: 'verdict' };

export function rules(subject: Subject): void {
  const comments = (nft: ReturnType<Subject>): (string | undefined)[] =>
    nft.listRules(t, 'c').map((r) => r.comment);

  describe('rules', () => {
    test('keep their order: appended, inserted, placed by a handle', () => {
      const nft = subject();
      nft.run(start().add(note('2')).add(note('4')).insert(note('1')));
      const handle = (comment: string): bigint =>
        nft.listRules(t, 'c').find((r) => r.comment === comment)?.handle ?? 0n;
      nft.run(
        tx()
          .add({ ...note('3'), position: handle('2') })
          .insert({ ...note('0'), position: handle('1') }),
      );
      expect(comments(nft)).toEqual(['0', '1', '2', '3', '4']);
    });

    test('are replaced in their place', () => {
      const nft = subject();
      nft.run(start().add(note('1')).add(note('2')).add(note('3')));
      const handle = nft.listRules(t, 'c')[1]?.handle ?? 0n;
      nft.run(tx().replace({ ...rule(c, [drop()], 'new'), handle }));
      expect(comments(nft)).toEqual(['1', 'new', '3']);
    });

    test('are deleted by their handle', () => {
      const nft = subject();
      nft.run(start().add(note('1')).add(note('2')));
      expect(nft.listRuleLabels(t, 'c', 'nobody’s')).toEqual([]);
      const [first] = nft.listRuleLabels(t, 'c');
      if (first?.comment !== undefined)
        expect(nft.listRuleLabels(t, 'c', first.comment)).toContainEqual(first);
      expect(first).toEqual({ family: 'inet', table: 't', chain: 'c', comment: '1', handle: first?.handle });
      nft.run(tx().deleteRule(first!));
      expect(comments(nft)).toEqual(['2']);
      expect(isNotFound(failure(() => nft.run(tx().deleteRule(first!))))).toBe(true);
      expect(isNotFound(failure(() => nft.run(tx().replace({ ...note('x'), handle: first!.handle }))))).toBe(
        true,
      );
      expect(isNotFound(failure(() => nft.run(tx().add({ ...note('x'), position: first!.handle }))))).toBe(
        true,
      );
    });

    test('are listed by comment, as a whole or by its start', () => {
      const nft = subject();
      nft.run(
        start()
          .add(note('ab'))
          .add(note('abc'))
          .add(note('cab'))
          .add(rule(c, [drop()])),
      );
      const listed = (...how: [string, 'start'?]): (string | undefined)[] =>
        nft.listRuleLabels(t, 'c', ...how).map(({ comment }) => comment);
      expect(listed('ab')).toEqual(['ab']);
      expect(listed('ab', 'start')).toEqual(['ab', 'abc']);
      expect(listed('b', 'start')).toEqual([]);
    });

    test('are told with their handles when they are made, and found by these', () => {
      const nft = subject();
      nft.run(start().add(note('1')));
      const made: RuleLabel[] = [];
      nft.run(tx().add(note('2')).insert(note('0')), made);
      expect(made.map(({ comment }) => comment).sort()).toEqual(['0', '2']);
      const listed = nft.listRuleLabels(t, 'c');
      for (const label of made) expect(listed).toContainEqual(label);
      const gone = { ...made[0]!, handle: 999n };
      const elsewhere = { ...made[0]!, table: 'none' };
      expect(nft.findRuleLabels([made[1]!, gone, made[0]!, elsewhere])).toEqual([
        made[1],
        undefined,
        made[0],
        undefined,
      ]);
      expect(nft.findRuleLabels([])).toEqual([]);
      const refused: RuleLabel[] = [];
      const failing = tx().add(note('3')).deleteRule(gone);
      expect(isNotFound(failure(() => nft.run(failing, refused)))).toBe(true);
      expect(refused).toEqual([]);
    });

    test('stay as they are when others have changed something since the look', () => {
      const nft = subject();
      const before = nft.getGeneration();
      nft.run(start().add(note('1')));
      expect(isOutdated(failure(() => nft.run(tx().add(note('2')), undefined, before)))).toBe(true);
      expect(comments(nft)).toEqual(['1']);
      nft.run(tx().add(note('2')), undefined, nft.getGeneration());
      expect(comments(nft)).toEqual(['1', '2']);
    });

    test('are emptied out of a chain or a table', () => {
      const nft = subject();
      nft.run(
        start()
          .add(note('1'))
          .add(rule(d, [accept()])),
      );
      nft.run(tx().flushChain(c));
      expect(comments(nft)).toEqual([]);
      expect(nft.listRules(t)).toHaveLength(1);
      nft.run(tx().flushTable(t));
      expect(nft.listRules(t)).toEqual([]);
      expect(nft.listChains(t)).toHaveLength(4);
    });

    test('need their chain, and the chain that they lead to, beforehand', () => {
      const nft = subject();
      nft.run(tx().add(t).add(c));
      expect(isNotFound(failure(() => nft.run(tx().add(rule(d, [])))))).toBe(true);
      expect(
        isNotFound(
          failure(() =>
            nft.run(
              tx()
                .add(rule(c, [jump('d')]))
                .add(d),
            ),
          ),
        ),
      ).toBe(true);
      nft.run(
        tx()
          .add(d)
          .add(rule(c, [jump('d')])),
      );
      expect(nft.listRules(t, 'c')).toHaveLength(1);
    });

    test('need the set that they look into', () => {
      const nft = subject();
      nft.run(start());
      expect(isNotFound(failure(() => nft.run(tx().add(rule(c, [inSet(field.ipSaddr, 'hosts')])))))).toBe(
        true,
      );
    });

    test('cannot lead to a base chain, nor in a circle', () => {
      const nft = subject();
      nft.run(
        start()
          .add(rule(post, [jump('c')]))
          .add(rule(c, [jump('d')])),
      );
      expect(isNoSupport(failure(() => nft.run(tx().add(rule(c, [jump('post')])))))).toBe(true);
      const circle = failure(() => nft.run(tx().add(rule(d, [goTo('c')]))));
      // By the kernel's release.
      expect(['ELOOP', 'EMLINK']).toContain((circle as NftError).code);
    });

    test('translate addresses only where the packet path has a place for it', () => {
      const nft = subject();
      nft.run(start());
      const misplaced = [rule(pre, [masquerade()]), rule(post, [dnatTo(ip('10.0.0.1'))])];
      for (const wrong of misplaced) expect(isNoSupport(failure(() => nft.run(tx().add(wrong))))).toBe(true);
      // The same by way of another chain.
      nft.run(tx().add(rule(pre, [jump('d')])));
      expect(isNoSupport(failure(() => nft.run(tx().add(rule(d, [masquerade()])))))).toBe(true);
      nft.run(tx().add(rule(post, [masquerade('fully-random')])));
    });

    const kinds: [string, Chain, Part[]][] = [
      ['addresses', c, [saddr(ip('10.0.0.1')), daddr(net('10.1.0.0/16'), '!='), accept()]],
      ['prefixes of odd length', c, [daddr(net('224.0.0.0/4')), returns()]],
      ['IPv6', c, [saddr(ip('fd00::1')), daddr(net('fe80::/10')), drop()]],
      ['interfaces', c, [iifname('cni0'), oifname('veth*', '!='), accept()]],
      ['marks', c, [markIs(0x4000, 0x4000), markOr(0x2000)]],
      ['connections', c, [ctState('established', 'related'), ctStatus('dnat'), setCtMark(7)]],
      ['routes', c, [fibDaddrType('local'), accept()]],
      ['ports', c, [dport('tcp', [100, 200]), sport('tcp', [1, 2], '!='), counter()]],
      ['rejection', c, [l4protoIs('udp'), reject()]],
      ['rejection by TCP', c, [dport('tcp', 80), rejectWithTcpReset()]],
      ['look-ups', c, [inSet(field.ipSaddr, 'hosts', '!='), drop()]],
      ['verdict maps', c, [vmap(field.ctMark, 'lb')]],
      ['data maps', c, [ctMarkFromMap(serviceKey, 'count')]],
      ['destinations from a map', pre, [dnatFromMap('ip', [...serviceKey, field.randomBelow(3)], 'slots')]],
      ['one destination', pre, [l4protoIs('tcp'), dnatTo(ip('10.0.0.1'), 80)]],
      ['masquerading', post, [masquerade('random', 'fully-random')]],
      ['dynamic sets', c, [updateSet(field.ipSaddr, 'clients', { timeout: 10_000 })]],
      [
        'ranges of marks',
        c,
        [
          raw(
            { kind: 'meta', key: 'mark', dest: 0 },
            { kind: 'byteorder', source: 0, dest: 0, op: 'hton', length: 4, size: 4 },
            {
              kind: 'range',
              source: 0,
              op: '!=',
              from: Uint8Array.of(0, 0, 0, 1),
              to: Uint8Array.of(0, 0, 0, 9),
            },
          ),
          raw({ kind: 'notrack' }),
        ],
      ],
    ];
    test.each(kinds)('come back as they went: %s', (_, where, parts) => {
      const nft = subject();
      nft.run(start().add(hosts).add(clients).add(count).add(slots).add(lb));
      const wanted = rule(where, parts, 'with a comment');
      nft.run(tx().add(wanted));
      expect(withoutHandle(nft.listRules(t, where.name))).toEqual([wanted]);
    });
  });

  describe('anonymous sets', () => {
    const elements = [{ key: Uint8Array.of(6) }, { key: Uint8Array.of(17) }];

    test('get a name, belong to their rule and go with it', () => {
      const nft = subject();
      const first = start();
      const protocols = anonymousSet(first, t, [inetProto], elements);
      nft.run(first.add(rule(c, [inSet(field.l4proto, protocols), accept()])));
      const sets = nft.listSets(t);
      expect(sets.map(({ name }) => name)).toEqual(['__set0']);
      expect(nft.listElements(sets[0]!)).toEqual(expect.arrayContaining(elements));
      expect(nft.listRules(t, 'c')[0]?.expressions).toContainEqual({
        kind: 'lookup',
        set: '__set0',
        source: 0,
      });
      nft.run(tx().flushChain(c));
      expect(nft.listSets(t)).toEqual([]);
    });

    test('are refused without a rule', () => {
      const nft = subject();
      const alone = start();
      anonymousSet(alone, t, [inetProto], elements);
      expect((failure(() => nft.run(alone)) as NftError).code).toBe('EINVAL');
      expect(nft.listTables()).toEqual([]);
    });
  });

  test('an exclusive creation of a rule does not exist: adding twice makes two', () => {
    const nft = subject();
    nft.run(start().add(note('x')));
    nft.run(tx().add(note('x')));
    expect(comments(nft)).toEqual(['x', 'x']);
    expect(isExists(undefined)).toBe(false);
  });
}
