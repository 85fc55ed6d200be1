import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseCidr } from '../../../shared/ip/cidr.ts';
import { parseIp } from '../../../shared/ip/ip.ts';
import { createLogger } from '../../../shared/log/logger.ts';
import type { NodeLease } from '../../../shared/store/registry.ts';
import { FakeClock } from '../fake-clock.ts';
import { leaseFromJson, leaseToJson } from './lease-json.ts';
import { renewIn } from './membership.ts';
import { PeerSet } from './peer-set.ts';
import { parseState, readState, renderState, StateWriter } from './state-file.ts';

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
const list = (leases: NodeLease[], rebuiltAt?: number): Parameters<PeerSet['applyList']>[0] => ({
  leases,
  version: '1',
  ...(rebuiltAt !== undefined && { rebuiltAt }),
});

describe('lists and events', () => {
  test('self is no peer; a renewal is no change, and the array stays the same', () => {
    const set = new PeerSet('me');
    expect(set.applyList(list([lease('me', 1), lease('a', 2)]), 10)).toEqual({
      changed: true,
      ownLost: false,
    });
    const before = set.leases;
    expect(set.applyList(list([lease('me', 1), lease('a', 2, 2000)]), 20).changed).toBe(false);
    expect(set.applyEvents([{ type: 'set', lease: lease('a', 2, 3000) }], 30).changed).toBe(false);
    expect(set.leases).toBe(before);
    expect(names(set)).toEqual(['a']);
  });

  test('who is missing from a list is gone', () => {
    const set = new PeerSet('me');
    set.applyList(list([lease('a', 2), lease('b', 3)]), 10);
    expect(set.applyList(list([lease('b', 3)]), 20)).toEqual({ changed: true, ownLost: true });
    expect(names(set)).toEqual(['b']);
  });

  test('events add, change, remove; the own removal is told', () => {
    const set = new PeerSet('me');
    set.applyList(list([]), 10);
    expect(set.applyEvents([{ type: 'set', lease: lease('a', 2) }], 20).changed).toBe(true);
    expect(set.applyEvents([{ type: 'set', lease: lease('a', 4) }], 20).changed).toBe(true);
    expect(set.applyEvents([{ type: 'removed', node: 'me', reason: 'deleted' }], 20)).toEqual({
      changed: false,
      ownLost: true,
    });
    expect(set.applyEvents([{ type: 'removed', node: 'a', reason: 'expired' }], 20).changed).toBe(true);
    expect(set.applyEvents([{ type: 'removed', node: 'a', reason: 'expired' }], 20).changed).toBe(false);
  });
});

describe('a registry that lost its memory', () => {
  const known = (): PeerSet => {
    const set = new PeerSet('me');
    set.applyList(list([lease('a', 2, 1000), lease('b', 3, 2000)]), 10);
    return set;
  };

  test('does not cost a peer before its own lease ends', () => {
    const set = known();
    expect(set.applyList(list([], 50), 60).changed).toBe(false);
    expect(set.carried).toBe(2);
    expect(set.nextExpiry()).toBe(1000);
    expect(set.dropExpired(999)).toBe(false);
    expect(set.dropExpired(1000)).toBe(true);
    expect(names(set)).toEqual(['b']);
    // The same list again changes nothing.
    expect(set.applyList(list([], 50), 1500).changed).toBe(false);
    expect(names(set)).toEqual(['b']);
  });

  test('what it says itself counts at once: removed, back, or subnet given away', () => {
    const set = known();
    set.applyList(list([], 50), 60);
    set.applyEvents([{ type: 'removed', node: 'a', reason: 'deleted' }], 70);
    expect(names(set)).toEqual(['b']);
    set.applyEvents([{ type: 'set', lease: lease('c', 3) }], 80);
    expect(names(set)).toEqual(['c']);
    const other = known();
    other.applyList(list([lease('c', 3)], 50), 60);
    expect(names(other)).toEqual(['a', 'c']);
    other.applyEvents([{ type: 'set', lease: lease('a', 2, 5000) }], 70);
    expect(other.carried).toBe(0);
  });

  test('one that came back afterwards and is missing then has really left', () => {
    const set = known();
    set.applyList(list([lease('a', 2, 5000)], 50), 60);
    set.applyList(list([], 50), 70);
    expect(names(set)).toEqual(['b']);
  });

  test('never loses a peer too early, whatever lists come', () => {
    const step = fc.record({
      present: fc.subarray(['a', 'b', 'c']),
      rebuilt: fc.boolean(),
      after: fc.integer({ min: 1, max: 300 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 8 }), (steps) => {
        const set = new PeerSet('me');
        let now = 0;
        let rebuiltAt: number | undefined;
        /** When a node was last in a list. */
        const seen = new Map<string, number>();
        for (const { present, rebuilt, after } of steps) {
          now += after;
          if (rebuilt) rebuiltAt = now - 1;
          const leases = present.map((name) => lease(name, name.charCodeAt(0) - 90, now + 400));
          set.applyList(list(leases, rebuiltAt), now);
          for (const name of present) seen.set(name, now);
          for (const [name, at] of seen) {
            const mustStay =
              present.includes(name) || (rebuiltAt !== undefined && at <= rebuiltAt && at + 400 > now);
            if (mustStay) expect(names(set)).toContain(name);
            else seen.delete(name);
          }
        }
      }),
    );
  });
});

describe('the state file', () => {
  test('brings back what was written', () => {
    const set = new PeerSet('me');
    set.applyList(list([lease('a', 2)]), 10);
    set.applyList(list([], 50), 60);
    const forever = lease('me', 1, Number.POSITIVE_INFINITY);
    const state = { own: forever, peers: set.known };
    expect(parseState(renderState('me', state), 'me')).toEqual(state);
    const again = new PeerSet('me', parseState(renderState('me', state), 'me').peers);
    expect(again.carried).toBe(1);
  });

  test.each([
    ['of another node', renderState('other', { peers: [] }), /other/],
    ['of another version', '{"version":2,"node":"me"}', /version 2/],
    ['cut off', '{"version":1,', /JSON/],
    ['no object', '5', /object/],
  ])('one %s is refused', (_what, text, message) => {
    expect(() => parseState(text, 'me')).toThrow(message);
  });

  test('damaged entries are left out, the others stay', () => {
    const text = renderState('me', { peers: [{ lease: lease('a', 2), confirmedAt: 1 }] });
    const damaged = text.replace('"peers":[', '"peers":[5,{"lease":{"node":"x"},"confirmedAt":1},');
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
      () => ({ peers: [{ lease: lease('a', n), confirmedAt: n }] }),
      clock,
      log,
    );
    const onDisk = (): number | undefined => readState(path, 'me', log).peers[0]?.confirmedAt;
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
