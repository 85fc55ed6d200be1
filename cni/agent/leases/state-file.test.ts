import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseNetConf } from '../../../shared/config/net-conf.ts';
import { FakeClock } from '../../../shared/daemon/fake-clock.ts';
import { parseCidr } from '../../../shared/ip/cidr.ts';
import { parseIp } from '../../../shared/ip/ip.ts';
import { createLogger } from '../../../shared/log/logger.ts';
import type { NodeLease } from '../../../shared/store/registry.ts';
import { leaseFromJson, leaseToJson } from './lease-json.ts';
import { type KnownPeer, PeerSet } from './peer-set.ts';
import { parseState, readState, renderState, StateWriter, usableState } from './state-file.ts';
import { at, known, lease, list, names } from './test-leases.ts';

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
    // A node from before the cluster had IPv6 goes on with what it has.
    expect(kept(dual('fd00:244::/48'))).toEqual([true, 0, 1, 2]);
    expect(kept(dual('fd00:99::/48'))).toEqual([true, 0]);
    // One whose cluster gave IPv6 up has the other half left.
    const both = { ...state, own: { ...lease('me', 1), ...v6 } };
    const { own } = usableState(both, parseNetConf('{"Network":"10.244.0.0/16"}'));
    expect([own?.subnet, own?.subnetV6]).toEqual([lease('me', 1).subnet, undefined]);
    expect(usableState(both, parseNetConf(dual('fd00:244::/48'))).own).toEqual(both.own);
    expect(usableState(both, parseNetConf(dual('fd00:99::/48'))).own).toBeUndefined();
    expect(kept('{"EnableIPv4":false,"EnableIPv6":true,"IPv6Network":"fd00:244::/48"}')[0]).toBe(false);
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
