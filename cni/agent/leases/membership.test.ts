import { afterEach, describe, expect, test, vi } from 'vitest';
import { parseNetConf } from '../../../shared/config/net-conf.ts';
import { FakeClock } from '../../../shared/daemon/fake-clock.ts';
import { parseCidr } from '../../../shared/ip/cidr.ts';
import { parseIp } from '../../../shared/ip/ip.ts';
import { createLogger, silentLogger } from '../../../shared/log/logger.ts';
import { FakeNodeRegistry } from '../../../shared/store/registry.fake.ts';
import type { LeaseList, NodeInfo, NodeLease, NodeRegistry } from '../../../shared/store/registry.ts';
import { Membership, renewIn } from './membership.ts';
import { lease, list } from './test-leases.ts';

const node = (name: string, last: number): NodeInfo => ({
  name,
  publicIp: parseIp(`192.0.2.${last}`)!,
  backend: { type: 'vxlan' },
  instance: name,
});

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

function setUp(info: () => NodeInfo | undefined = () => node('me', 1)): {
  clock: FakeClock;
  registry: FakeNodeRegistry;
  membership: Membership;
  lines: string[];
  changes: string[];
} {
  const clock = new FakeClock();
  const registry = new FakeNodeRegistry({
    networks: parseNetConf('{"Network":"10.244.0.0/16"}'),
    random: () => 0,
    clock: {
      now: () => clock.instant(),
      setTimer: (ms, callback) => {
        const timer = clock.after(ms, callback);
        return { [Symbol.dispose]: () => timer.cancel() };
      },
    },
  });
  const lines: string[] = [];
  const changes: string[] = [];
  const membership = new Membership({
    registry,
    clock,
    log: createLogger('t', { sink: (line) => lines.push(line) }),
    node: 'me',
    info,
    wanted: () => ({}),
    renewMarginMs: 3_600_000,
    onChange: (kind) => changes.push(kind),
  });
  const stop = new AbortController();
  const end = membership.run(stop.signal);
  stops.push(async () => {
    stop.abort();
    await end;
  });
  return { clock, registry, membership, lines, changes };
}

const leaseOf = async (registry: FakeNodeRegistry): Promise<NodeLease | undefined> =>
  (await registry.list()).leases.find((lease) => lease.node === 'me');

describe('the own lease', () => {
  test('is not asked for before there is something to publish', async () => {
    let info: NodeInfo | undefined;
    const { clock, registry, membership } = setUp(() => info);
    await clock.advance(60_000);
    expect(await leaseOf(registry)).toBeUndefined();
    info = node('me', 1);
    membership.publish();
    await clock.advance(0);
    expect(await leaseOf(registry)).toBeDefined();
  });

  test('is told anew when what is published changes, even while it is being renewed', async () => {
    let last = 1;
    const { clock, registry, membership } = setUp(() => node('me', last));
    await clock.advance(0);
    const renew = registry.renew.bind(registry);
    registry.renew = (info) => {
      registry.renew = renew;
      // The address changes between what was asked and the answer.
      last = 3;
      membership.publish();
      return renew(info);
    };
    last = 2;
    membership.publish();
    await clock.advance(10);
    expect((await leaseOf(registry))?.publicIp).toEqual(parseIp('192.0.2.3'));
  });

  test('follows the registry when an operator gives the node another subnet', async () => {
    const { clock, registry, membership, changes } = setUp();
    await clock.advance(1000);
    const renewals = vi.spyOn(registry, 'renew');
    changes.length = 0;
    const subnet = parseCidr('10.244.77.0/24')!;
    registry.assign('me', { subnet });
    await clock.advance(1000);
    expect(membership.own?.subnet).toEqual(subnet);
    expect(changes).toContain('own');
    // What the renewal itself is told of is no news.
    await clock.advance(60_000);
    expect(renewals).toHaveBeenCalledTimes(1);
  });

  test('that somebody else keeps rewriting is answered ever later, and that is told', async () => {
    const { clock, registry, membership, lines } = setUp();
    await clock.advance(1000);
    const renewals = vi.spyOn(registry, 'renew');
    // As a cloned machine does: each time this node has spoken, the other one has the last word.
    for (let second = 0; second < 600; second++) {
      registry.assign('me', { subnet: parseCidr(`10.244.${second % 200}.0/24`)! });
      await clock.advance(1000);
    }
    expect(renewals.mock.calls.length).toBeLessThan(30);
    expect(renewals.mock.calls.length).toBeGreaterThan(5);
    expect(lines.filter((line) => line.includes('in use twice'))).toHaveLength(1);
    renewals.mockClear();
    // Peace, and the next change is an operator's.
    await clock.advance(10 * 60_000);
    renewals.mockClear();
    const subnet = parseCidr('10.244.201.0/24')!;
    registry.assign('me', { subnet });
    await clock.advance(10);
    expect(membership.own?.subnet).toEqual(subnet);
    expect(renewals).toHaveBeenCalledTimes(1);
  });

  test('of a name that another machine has: refused, told once, taken when it is free', async () => {
    const { clock, registry, membership, lines } = setUp();
    await stops.splice(0)[0]?.();
    await registry.release('me');
    await registry.acquire({ ...node('me', 99), instance: 'another' });
    const stop = new AbortController();
    const end = membership.run(stop.signal);
    stops.push(async () => {
      stop.abort();
      await end;
    });
    await clock.advance(60_000);
    expect(membership.health.connected).toBe(false);
    expect(membership.health.error).toContain('me');
    expect(lines.filter((line) => line.includes('cannot be registered'))).toHaveLength(1);
    await registry.release('me');
    await clock.advance(20_000);
    expect(membership.health.connected).toBe(true);
  });
});

describe('a registry that hangs', () => {
  test('is not waited for where the state file knows enough; what it says later counts', async () => {
    const clock = new FakeClock();
    const own = lease('me', 1);
    let answer = (_list: LeaseList): void => {};
    const never = new Promise<never>(() => {});
    const registry = {
      acquire: () => never,
      renew: () => never,
      release: () => never,
      list: () =>
        new Promise<LeaseList>((resolve) => {
          answer = resolve;
        }),
      async *watch() {
        yield await never;
      },
      async [Symbol.asyncDispose]() {},
    } satisfies NodeRegistry;
    const changes: string[] = [];
    const membership = new Membership({
      registry,
      clock,
      log: silentLogger,
      node: 'me',
      info: () => node('me', 1),
      wanted: () => ({}),
      renewMarginMs: 3_600_000,
      known: {
        own,
        peers: [{ lease: lease('a', 2), epoch: '1', term: { renewed: clock.instant(), durationMs: 5000 } }],
      },
      onChange: (what) => changes.push(what),
    });
    void membership.run(new AbortController().signal);
    await clock.advance(999);
    expect([membership.own, membership.peersKnown]).toEqual([undefined, false]);
    await clock.advance(1);
    expect(membership.own).toEqual(own);
    expect([membership.peersKnown, membership.listed]).toEqual([true, false]);
    expect(changes.splice(0).sort()).toEqual(['own', 'peers']);
    answer(list([own, lease('a', 2)]));
    await clock.advance(0);
    expect(membership.listed).toBe(true);
    // Nothing new, but now it is certain: what is stale may go.
    expect(changes).toEqual(['peers']);
  });
});

describe('following', () => {
  test('starts over when the history is gone, and misses nothing', async () => {
    const { clock, registry, membership, changes } = setUp();
    await registry.acquire(node('a', 11));
    await clock.advance(1000);
    expect(membership.peers.leases.map((lease) => lease.node)).toEqual(['a']);
    registry.forgetHistory();
    await registry.acquire(node('b', 12));
    await clock.advance(1000);
    expect(membership.peers.leases.map((lease) => lease.node).sort()).toEqual(['a', 'b']);
    expect(changes.filter((what) => what === 'peers').length).toBeGreaterThan(1);
  });

  test('outlives a registry that fails: peers stay, one line tells, later changes arrive', async () => {
    const { clock, registry, membership, lines } = setUp();
    await registry.acquire(node('a', 11));
    await clock.advance(1000);
    registry.failure = new Error('disk on fire');
    await clock.advance(120_000);
    expect(membership.peers.leases).toHaveLength(1);
    expect(membership.health).toMatchObject({
      connected: false,
      error: expect.stringContaining('disk on fire'),
    });
    expect(lines.filter((line) => line.includes('cannot be followed'))).toHaveLength(1);
    registry.failure = undefined;
    await registry.acquire(node('b', 12));
    await clock.advance(30_000);
    expect(membership.peers.leases).toHaveLength(2);
    expect(membership.health.connected).toBe(true);
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

test('a watch that goes on by itself reports how it stands', async () => {
  const { clock, registry, membership, lines } = setUp();
  await stops.splice(0)[0]?.();
  lines.length = 0;
  let report: ((error: unknown) => void) | undefined;
  const watch = registry.watch.bind(registry);
  registry.watch = (version, signal, onHealth?: (error: unknown) => void) => {
    report = onHealth;
    return watch(version, signal);
  };
  const stop = new AbortController();
  const end = membership.run(stop.signal);
  stops.push(async () => {
    stop.abort();
    await end;
  });
  await clock.advance(1000);
  report?.(new Error('down'));
  report?.(new Error('down'));
  expect(membership.health).toMatchObject({
    connected: false,
    error: 'the list of nodes cannot be followed: down',
  });
  expect(lines.filter((line) => line.includes('down'))).toHaveLength(1);
  report?.(undefined);
  expect(membership.health).toMatchObject({ connected: true });
  expect(membership.health.error).toBeUndefined();
});
