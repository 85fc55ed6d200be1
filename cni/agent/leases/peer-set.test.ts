import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LEASE_DURATION_MS } from '../../../shared/store/registry.ts';
import { PeerSet } from './peer-set.ts';
import { parseState, renderState } from './state-file.ts';
import { at, lease, list, names } from './test-leases.ts';

describe('lists and events', () => {
  test('self is no peer; a renewal is no change, and the array stays the same', () => {
    const set = new PeerSet('me');
    expect(set.applyList(list([lease('me', 1), lease('a', 2)]), at(10))).toEqual({
      changed: true,
      ownLost: false,
      own: lease('me', 1),
      rebuilt: false,
    });
    const before = set.leases;
    expect(set.applyList(list([lease('me', 1), lease('a', 2, 2000)]), at(20)).changed).toBe(false);
    expect(set.applyEvents([{ type: 'set', lease: lease('a', 2, 3000) }], at(30)).changed).toBe(false);
    expect(set.leases).toBe(before);
    expect(names(set)).toEqual(['a']);
  });

  test('who has the own subnet is the node itself, whatever it is called, where subnets are names', () => {
    const set = new PeerSet('me', [], true);
    set.applyList(list([lease('10.244.1.0-24', 1), lease('10.244.2.0-24', 2)]), at(10));
    expect(names(set)).toEqual(['10.244.1.0-24', '10.244.2.0-24']);
    set.setOwn(lease('me', 1));
    expect(names(set)).toEqual(['10.244.2.0-24']);
    const before = set.leases;
    set.setOwn(lease('me', 1, 5000));
    expect(set.leases).toBe(before);
    set.setOwn(lease('me', 2));
    expect(names(set)).toEqual(['10.244.1.0-24']);
  });

  test('it is not carried on, as another node would be, when the registry lost it', () => {
    const set = new PeerSet('me', [], true);
    set.applyList(list([lease('10.244.1.0-24', 1), lease('10.244.2.0-24', 2)]), at(10));
    set.setOwn(lease('me', 1));
    set.applyList(list([], 1), at(20));
    expect([set.carried, names(set)]).toEqual([1, ['10.244.2.0-24']]);
  });

  test('elsewhere it is another node, which somebody has to hear of', () => {
    const set = new PeerSet('me');
    set.setOwn(lease('me', 1));
    const { version } = set;
    set.applyEvents([{ type: 'set', lease: lease('a', 1) }], at(10));
    expect([names(set), set.changedSince(version)]).toEqual([['a'], [{ node: 'a', lease: lease('a', 1) }]]);
  });

  test('who is missing from a list is gone', () => {
    const set = new PeerSet('me');
    set.applyList(list([lease('a', 2), lease('b', 3)]), at(10));
    expect(set.applyList(list([lease('b', 3)]), at(20))).toMatchObject({ changed: true, ownLost: true });
    expect(names(set)).toEqual(['b']);
  });

  test('events add, change, remove; the own removal is told', () => {
    const set = new PeerSet('me');
    set.applyList(list([]), at(10));
    expect(set.applyEvents([{ type: 'set', lease: lease('a', 2) }], at(20)).changed).toBe(true);
    expect(set.applyEvents([{ type: 'set', lease: lease('a', 4) }], at(20)).changed).toBe(true);
    expect(set.applyEvents([{ type: 'removed', node: 'me', reason: 'deleted' }], at(20))).toMatchObject({
      changed: false,
      ownLost: true,
    });
    expect(set.applyEvents([{ type: 'removed', node: 'a', reason: 'expired' }], at(20)).changed).toBe(true);
    expect(set.applyEvents([{ type: 'removed', node: 'a', reason: 'expired' }], at(20)).changed).toBe(false);
  });
});

describe('a registry that lost its memory', () => {
  const known = (): PeerSet => {
    const set = new PeerSet('me');
    set.applyList(list([lease('a', 2, 1000), lease('b', 3, 2000)]), at(10));
    return set;
  };

  test('does not cost a peer before its own lease ends', () => {
    const set = known();
    expect(set.applyList(list([], 1), at(60)).changed).toBe(false);
    expect(set.carried).toBe(2);
    expect(set.nextExpiry(at(60))).toBe(940);
    expect(set.dropExpired(at(999))).toBe(false);
    expect(set.dropExpired(at(1000))).toBe(true);
    expect(names(set)).toEqual(['b']);
    // The same list again changes nothing.
    expect(set.applyList(list([], 1), at(1500)).changed).toBe(false);
    expect(names(set)).toEqual(['b']);
  });

  test('what it says itself counts at once: removed, back, or subnet given away', () => {
    const set = known();
    set.applyList(list([], 1), at(60));
    set.applyEvents([{ type: 'removed', node: 'a', reason: 'deleted' }], at(70));
    expect(names(set)).toEqual(['b']);
    set.applyEvents([{ type: 'set', lease: lease('c', 3) }], at(80));
    expect(names(set)).toEqual(['c']);
    const other = known();
    other.applyList(list([lease('c', 3)], 1), at(60));
    expect(names(other)).toEqual(['a', 'c']);
    other.applyEvents([{ type: 'set', lease: lease('a', 2, 5000) }], at(70));
    expect(other.carried).toBe(0);
  });

  test('one that came back afterwards and is missing then has really left', () => {
    const set = known();
    set.applyList(list([lease('a', 2, 5000)], 1), at(60));
    set.applyList(list([], 1), at(70));
    expect(names(set)).toEqual(['b']);
  });

  test('asks what was seen before and after, not at what time: renewals and losses may cross', () => {
    const set = known();
    // Heard from the old store while another process, which took the time before, was checking it.
    set.applyEvents([{ type: 'set', lease: lease('a', 2, 5000) }], at(80));
    set.applyList({ ...list([], 1), rebuiltAt: 50 }, at(90));
    expect(names(set)).toEqual(['a', 'b']);
    expect(set.nextExpiry(at(90))).toBe(1910);
  });

  test('is told once, so that what is known goes to disk', () => {
    const set = known();
    expect(set.applyList(list([], 1), at(60)).rebuilt).toBe(true);
    expect(set.applyList(list([], 1), at(70)).rebuilt).toBe(false);
  });

  test('with leases that never end: peers stay for a day', () => {
    const set = new PeerSet('me');
    set.applyList(list([lease('a', 2, Number.POSITIVE_INFINITY)]), at(10));
    set.applyList(list([], 1), at(100));
    expect(set.nextExpiry(at(100))).toBe(LEASE_DURATION_MS);
    set.applyList(list([], 1), at(200));
    expect(set.nextExpiry(at(200))).toBe(LEASE_DURATION_MS - 100);
  });

  const YEARS = 56 * 365 * LEASE_DURATION_MS;

  test.each([
    ['back by an hour', -3_600_000],
    ['from 1970 to now', YEARS],
    ['from the future to now', -YEARS],
  ])('no clock that is set %s costs or gives a peer anything', (_what, jump) => {
    const wall = YEARS + LEASE_DURATION_MS;
    for (const early of [true, false]) {
      const set = new PeerSet('me');
      set.applyList(list([lease('a', 2, wall + 1000)]), at(0, wall));
      set.applyList(list([], 1), at(10, early ? wall + jump : wall));
      expect(set.dropExpired(at(999, wall + jump))).toBe(false);
      expect(set.applyList(list([], 1), at(999, wall + jump)).changed).toBe(false);
      expect(names(set)).toEqual(['a']);
      expect(set.dropExpired(at(1000, wall + jump))).toBe(true);
    }
  });

  test('never loses a peer too early nor keeps it too long, whatever lists come and however the clock is set', () => {
    const step = fc.record({
      present: fc.subarray(['a', 'b', 'c']),
      rebuilt: fc.boolean(),
      after: fc.integer({ min: 1, max: 300 }),
      jump: fc.oneof(fc.constant(0), fc.integer({ min: -2000, max: 2000 }), fc.constantFrom(-YEARS, YEARS)),
      restarted: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 8 }), (steps) => {
        let set = new PeerSet('me');
        let now = 0;
        let wall = 2 * YEARS;
        let losses = 0;
        /** When a node was last in a list, and how often the registry had lost its memory then. */
        const seen = new Map<string, { at: number; losses: number }>();
        for (const { present, rebuilt, after, jump, restarted } of steps) {
          now += after;
          wall += after + jump;
          const instant = at(now, wall);
          if (restarted) {
            const text = renderState('me', { peers: set.known }, instant);
            set = new PeerSet('me', parseState(text, 'me').peers);
          }
          if (rebuilt) losses += 1;
          const leases = present.map((name) => lease(name, name.charCodeAt(0) - 90, wall + 400));
          set.applyList(list(leases, losses), instant);
          for (const name of present) seen.set(name, { at: now, losses });
          for (const [name, last] of seen) {
            if (last.losses === losses && last.at < now) seen.delete(name);
            else if (last.at + 400 <= now) seen.delete(name);
          }
          expect(names(set)).toEqual([...seen.keys()].sort());
        }
      }),
      { numRuns: 500 },
    );
  });
});

test('what has changed since a version leads to the peers as they are now', () => {
  const step = fc.oneof(
    fc.record({ node: fc.constantFrom('a', 'b', 'c', 'me'), subnet: fc.integer({ min: 1, max: 4 }) }),
    fc.constantFrom('a', 'b', 'c'),
  );
  fc.assert(
    fc.property(
      fc.array(fc.array(step, { maxLength: 4 }), { maxLength: 8 }),
      fc.boolean(),
      (rounds, hasOwn) => {
        const set = new PeerSet('me', [], true);
        if (hasOwn) set.setOwn(lease('me', 1));
        set.applyList(list([]), at(1));
        let version = set.version;
        const mirror = new Map<string, unknown>();
        for (const steps of rounds) {
          for (const each of steps) {
            const event =
              typeof each === 'string'
                ? ({ type: 'removed', node: each, reason: 'deleted' } as const)
                : ({ type: 'set', lease: lease(each.node, each.subnet) } as const);
            set.applyEvents([event], at(2));
          }
          for (const { node, lease: now } of set.changedSince(version) ?? []) {
            if (now) mirror.set(node, now);
            else mirror.delete(node);
          }
          version = set.version;
          expect(mirror).toEqual(new Map(set.leases.map((each) => [each.node, each])));
          expect(set.changedSince(version)).toEqual([]);
        }
      },
    ),
  );
});

test('of what lies too far back, or after a list, only a look at all tells', () => {
  const set = new PeerSet('me');
  const start = set.version;
  for (let n = 0; n < 2500; n++) {
    set.applyEvents([{ type: 'set', lease: lease('a', n % 200) }], at(2));
  }
  expect(set.changedSince(start)).toBeUndefined();
  expect(set.changedSince(set.version - 900)).toEqual([{ node: 'a', lease: set.leases[0] }]);
  const before = set.version;
  set.applyList(list([]), at(3));
  expect(set.changedSince(before)).toBeUndefined();
  expect(set.changedSince(set.version + 1)).toBeUndefined();
});
