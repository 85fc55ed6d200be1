import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseNetConf } from '../../../shared/config/net-conf.ts';
import { parseCidr } from '../../../shared/ip/cidr.ts';
import { parseIp } from '../../../shared/ip/ip.ts';
import { createLogger } from '../../../shared/log/logger.ts';
import type { Instant } from '../../../shared/store/clock.ts';
import { LEASE_DURATION_MS, type LeaseList, type NodeLease } from '../../../shared/store/registry.ts';
import { FakeClock } from '../fake-clock.ts';
import { leaseFromJson, leaseToJson } from './lease-json.ts';
import { renewIn } from './membership.ts';
import { type KnownPeer, PeerSet } from './peer-set.ts';
import { parseState, readState, renderState, StateWriter, usableState } from './state-file.ts';

function lease(node: string, subnet: number, expiresAt = 1000): NodeLease {
  return {
    node,
    subnet: parseCidr(`10.244.${subnet}.0/24`)!,
    publicIp: parseIp(`192.0.2.${subnet}`)!,
    backend: { type: 'vxlan', data: { VNI: 1, VtepMAC: '0a:00:00:00:00:01' } },
    expiresAt,
  };
}

const names = (set: PeerSet): string[] => set.leases.map((peer) => peer.node).sort();
/** A list of a registry that lost its memory `losses` times. */
const list = (leases: NodeLease[], losses = 0): LeaseList => ({
  leases,
  version: '1',
  epoch: `e${losses}`,
  ...(losses > 0 && { rebuiltAt: 0 }),
});
/** That many milliseconds into the test, the wall clock showing the same unless it was set. */
const at = (ms: number, wallMs: number = ms): Instant => ({ wallMs, bootMs: ms, bootId: 'boot' });

describe('lists and events', () => {
  test('self is no peer; a renewal is no change, and the array stays the same', () => {
    const set = new PeerSet('me');
    expect(set.applyList(list([lease('me', 1), lease('a', 2)]), at(10))).toEqual({
      changed: true,
      ownLost: false,
      rebuilt: false,
    });
    const before = set.leases;
    expect(set.applyList(list([lease('me', 1), lease('a', 2, 2000)]), at(20)).changed).toBe(false);
    expect(set.applyEvents([{ type: 'set', lease: lease('a', 2, 3000) }], at(30)).changed).toBe(false);
    expect(set.leases).toBe(before);
    expect(names(set)).toEqual(['a']);
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

const known = (node: string, subnet: number): KnownPeer => ({
  lease: lease(node, subnet),
  epoch: 'e0',
  term: { renewed: at(0), durationMs: 1000 },
});

describe('the state file', () => {
  test('brings back what was written', () => {
    const set = new PeerSet('me');
    set.applyList(list([lease('a', 2)]), at(10));
    set.applyList(list([], 1), at(60));
    const forever = lease('me', 1, Number.POSITIVE_INFINITY);
    const state = { own: forever, peers: set.known };
    expect(parseState(renderState('me', state, at(10)), 'me')).toEqual(state);
    const again = new PeerSet('me', parseState(renderState('me', state, at(60)), 'me').peers);
    expect(again.carried).toBe(1);
    expect(again.nextExpiry(at(70))).toBe(930);
  });

  test('counts on after a reboot by the wall clock, and no longer than it knew of', () => {
    const set = new PeerSet('me');
    set.applyList(list([lease('a', 2)]), at(0));
    const text = renderState('me', { peers: set.known }, at(100, 5_000_100));
    const survive = (wallMs: number): PeerSet => {
      const again = new PeerSet('me', parseState(text, 'me').peers);
      const now = { wallMs, bootMs: 5, bootId: 'next' };
      again.applyList(list([], 1), now);
      if (again.carried > 0) expect(again.nextExpiry(now)).toBe(Math.min(900, 5_001_000 - wallMs));
      return again;
    };
    expect(names(survive(5_000_999))).toEqual(['a']);
    expect(names(survive(5_001_000))).toEqual([]);
    expect(names(survive(0))).toEqual(['a']);
  });

  test('of another cluster network is good for nothing', () => {
    const v6 = { subnetV6: parseCidr('fd00:244:0:9::/64')! };
    const peer = (part: Partial<NodeLease>): KnownPeer => ({
      ...known('a', 2),
      lease: { ...lease('a', 2), ...part },
    });
    const only6: KnownPeer = {
      ...known('b', 3),
      lease: { node: 'b', ...v6, backend: { type: 'x' }, expiresAt: 1 },
    };
    const state = { own: lease('me', 1), peers: [peer({}), peer(v6), only6] };
    const kept = (json: string): (number | boolean)[] => {
      const { own, peers } = usableState(state, parseNetConf(json));
      return [own !== undefined, ...peers.map((each) => state.peers.indexOf(each))];
    };
    expect(kept('{"Network":"10.244.0.0/16"}')).toEqual([true, 0, 1]);
    expect(kept('{"Network":"10.99.0.0/16"}')).toEqual([false]);
    const dual = (network: string): string =>
      `{"Network":"10.244.0.0/16","EnableIPv6":true,"IPv6Network":"${network}"}`;
    expect(kept(dual('fd00:244::/48'))).toEqual([false, 0, 1, 2]);
    expect(kept(dual('fd00:99::/48'))).toEqual([false, 0]);
  });

  test.each([
    ['of another node', renderState('other', { peers: [] }, at(0)), /other/],
    ['of another version', '{"version":2,"node":"me"}', /version 2/],
    ['cut off', '{"version":1,', /JSON/],
    ['no object', '5', /object/],
  ])('one %s is refused', (_what, text, message) => {
    expect(() => parseState(text, 'me')).toThrow(message);
  });

  test('damaged entries are left out, the others stay', () => {
    const text = renderState('me', { peers: [known('a', 2)] }, at(0));
    const damaged = text.replace('"peers":[', '"peers":[5,{"lease":{"node":"x"},"epoch":"e"},');
    expect(parseState(damaged, 'me').peers.map((peer) => peer.lease.node)).toEqual(['a']);
  });

  test('is written soon after a change, rarely in a rush, much later for mere renewals', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'underpod-state-'));
    const path = join(directory, 'state/agent.json');
    const clock = new FakeClock();
    const lines: string[] = [];
    const log = createLogger('t', { sink: (line) => lines.push(line) });
    let n = 0;
    const writer = new StateWriter(
      path,
      'me',
      () => ({ peers: [{ ...known('a', 2), epoch: String(n) }] }),
      clock,
      log,
    );
    const onDisk = (): number => Number(readState(path, 'me', log).peers[0]?.epoch);
    // A disk that refuses is told of, and tried again.
    writer.touch('change');
    await clock.advance(100);
    expect(lines[0]).toContain('cannot be written');
    mkdirSync(join(directory, 'state'));
    await clock.advance(60_000);
    expect(onDisk()).toBe(0);

    n = 1;
    writer.touch('renewal');
    await clock.advance(59_000);
    expect(onDisk()).toBe(0);
    writer.touch('change');
    await clock.advance(100);
    expect(onDisk()).toBe(1);

    let writes = 0;
    for (n = 2; n < 100; n++) {
      const before = onDisk();
      writer.touch('change');
      await clock.advance(100);
      if (onDisk() !== before) writes += 1;
    }
    expect(writes).toBeGreaterThan(8);
    expect(writes).toBeLessThan(15);
    writer[Symbol.dispose]();
    expect(onDisk()).toBe(n);
    rmSync(directory, { recursive: true });
  });

  test('leases survive JSON', () => {
    const anyLease = fc.record({ n: fc.integer({ min: 0, max: 255 }), end: fc.option(fc.integer()) });
    fc.assert(
      fc.property(anyLease, ({ n, end }) => {
        const original = {
          ...lease('x', n, end ?? Number.POSITIVE_INFINITY),
          publicIpV6: parseIp(`2001:db8::${n}`)!,
        };
        expect(leaseFromJson(JSON.parse(JSON.stringify(leaseToJson(original))))).toEqual(original);
      }),
    );
  });
});

test.each([
  [24 * 60, 60, 12 * 60],
  [24 * 60, 1439, 1],
  [10, 60, 5],
  [Number.POSITIVE_INFINITY, 60, 720],
])('a lease of %d min with a margin of %d min is renewed after %d min', (remaining, margin, expected) => {
  expect(renewIn(remaining * 60_000, margin * 60_000)).toBe(expected * 60_000);
});
