import { expect, test } from 'vitest';
import { Reflector, type ReflectorOptions } from './reflector.ts';
import { NODES } from './resource.ts';
import { FakeApiServer } from './testing/fake-api-server.ts';
import { clientOf } from './testing/fake-client.ts';
import { TestClock, until } from './testing/test-clock.ts';
import type { Node } from './types.ts';

const COLLECTION = 'api/v1/nodes';
const podCidr = ({ spec }: Node): string | undefined => spec?.podCIDRs?.[0];

/** A reflector of nodes' pod CIDRs on a fake server. */
function setUp(more: Partial<ReflectorOptions<Node, string>> = {}) {
  const server = new FakeApiServer();
  const clock = new TestClock();
  const changes: string[][] = [];
  const health: string[] = [];
  const reflector = new Reflector<Node, string>({
    client: clientOf(server, clock),
    resource: NODES,
    clock,
    random: () => 1,
    project: podCidr,
    same: (a, b) => a === b,
    onChange: (changed) => changes.push([...changed].sort()),
    onHealth: (error) => health.push(error === undefined ? 'up' : String(error)),
    ...more,
  });
  const stop = new AbortController();
  const end = reflector.run(stop.signal);
  const put = (name: string, cidr: string | undefined, more: object = {}): void => {
    const node = { metadata: { name }, spec: { podCIDRs: cidr === undefined ? [] : [cidr] }, ...more };
    try {
      server.store.replace(COLLECTION, name, node as never);
    } catch {
      server.store.create(COLLECTION, name, node as never);
    }
  };
  const watching = (): Promise<void> => until('the watch', () => server.watches.size === 1);
  /** Lets time pass until the watch is back. */
  const recover = async (): Promise<void> => {
    for (let tries = 0; tries < 100 && server.watches.size === 0; tries++) {
      clock.advance(1000);
      await Bun.sleep(2);
    }
    await watching();
  };
  return {
    server,
    clock,
    changes,
    health,
    reflector,
    put,
    watching,
    recover,
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await end;
      await server.stop();
    },
  };
}

test('tells of the first list once, then of what changes and counts', async () => {
  await using t = setUp();
  await until('the first list', () => t.reflector.synced);
  expect(t.changes).toEqual([[]]);
  await t.watching();
  t.put('a', '10.0.1.0/24');
  t.put('none', undefined);
  // A heartbeat.
  t.put('a', '10.0.1.0/24', { status: { conditions: [] } });
  t.put('b', '10.0.2.0/24');
  await until('b', () => t.reflector.items.has('b'));
  t.put('a', '10.0.9.0/24');
  t.server.store.delete(COLLECTION, 'b');
  await until('the end of b', () => !t.reflector.items.has('b'));
  expect([...t.reflector.items]).toEqual([['a', '10.0.9.0/24']]);
  expect(t.changes.flat()).toEqual(['a', 'b', 'a', 'b']);
});

test('what is known stays while lists fail, hang, or stop half-way', async () => {
  await using t = setUp();
  for (const n of [1, 2, 3]) t.put(`n${n}`, `10.0.${n}.0/24`);
  await until('the first list', () => t.reflector.synced);
  await t.watching();
  const faults = [{ code: 500 }, { code: 429, retryAfterS: 60 }, 'hang'] as const;
  for (const answer of faults) {
    const errors = t.health.filter((one) => one !== 'up').length;
    {
      using _ = t.server.inject({ answer });
      // The watch's history is gone, and the list that is called for fails.
      t.server.compact();
      t.server.watches.end();
      for (let tries = 0; t.health.filter((one) => one !== 'up').length <= errors + 1; tries++) {
        if (tries > 500) throw new Error('no error');
        t.clock.advance(1000);
        await Bun.sleep(2);
      }
      expect(t.reflector.items.size).toBe(3);
    }
    await t.recover();
    expect(t.health.at(-1)).toBe('up');
  }
  expect(t.changes).toHaveLength(1);
  t.server.store.delete(COLLECTION, 'n1');
  await until('the end of n1', () => t.reflector.items.size === 2);
});

test('after 410 a new list shows what was missed', async () => {
  await using t = setUp();
  for (const n of [1, 2]) t.put(`n${n}`, `10.0.${n}.0/24`);
  await until('the first list', () => t.reflector.synced);
  await t.watching();
  await t.server.stop();
  t.server.store.delete(COLLECTION, 'n1');
  t.put('n3', '10.0.3.0/24');
  t.server.compact();
  t.server.start();
  await t.recover();
  await until('the new list', () => t.reflector.items.has('n3'));
  expect([...t.reflector.items.keys()].sort()).toEqual(['n2', 'n3']);
  expect(t.changes.at(-1)).toEqual(['n1', 'n3']);
});

test('what is listed again is no older than what was seen', async () => {
  await using t = setUp();
  await until('the first list', () => t.reflector.synced);
  await t.watching();
  t.put('a', '10.0.1.0/24');
  await until('a', () => t.reflector.items.has('a'));
  const seen = String(t.server.store.version);
  t.server.compact();
  t.server.watches.end();
  t.put('b', '10.0.2.0/24');
  t.server.compact();
  await t.recover();
  await until('b', () => t.reflector.items.has('b'));
  const lists = t.server.requests.filter(({ query }) => !query.has('watch'));
  expect(lists.map(({ query }) => [query.get('resourceVersion'), query.get('resourceVersionMatch')])).toEqual(
    [
      [null, null],
      [seen, 'NotOlderThan'],
    ],
  );
});

test('a history that went back is one that was replaced', async () => {
  await using t = setUp();
  await until('the first list', () => t.reflector.synced);
  for (const n of [1, 2, 3]) t.put(`n${n}`, `10.0.${n}.0/24`);
  await until('all', () => t.reflector.items.size === 3);
  const lists = (): number => t.server.requests.filter(({ query }) => !query.has('watch')).length;
  expect(lists()).toBe(1);
  // As of etcd restored from a backup.
  t.server.watches.bookmark('1001');
  await until('a wait', () => t.server.watches.size === 0);
  await t.recover();
  expect(lists()).toBe(2);
});

test('a server that ends watches at once is not asked in a tight loop', async () => {
  await using t = setUp();
  await t.watching();
  const waits: number[] = [];
  for (let round = 0; round < 5; round++) {
    await until('opened', () => t.health.length === round + 1);
    t.server.watches.end();
    await until('a wait', () => t.server.watches.size === 0 && t.clock.timers.length === 1);
    waits.push(t.clock.timers[0] ?? 0);
    t.clock.advance(t.clock.timers[0] ?? 0);
    await t.watching();
  }
  expect(waits).toEqual([500, 1000, 2000, 4000, 8000]);
});

test('a watch whose time is over is opened again at once: what happens meanwhile is not late', async () => {
  await using t = setUp();
  await t.watching();
  await until('opened', () => t.health.length === 1);
  t.clock.advance(6000);
  t.server.watches.end();
  t.put('a', '10.0.1.0/24');
  await until('a', () => t.reflector.items.has('a'));
  expect(t.health).toEqual(['up', 'up']);
});

test('setting the clock changes nothing', async () => {
  await using t = setUp();
  await t.watching();
  t.clock.jump(-50 * 365 * 86_400_000);
  t.put('a', '10.0.1.0/24');
  await until('a', () => t.reflector.items.has('a'));
  t.clock.jump(100 * 365 * 86_400_000);
  t.put('b', '10.0.2.0/24');
  await until('b', () => t.reflector.items.has('b'));
  expect(t.server.watches.size).toBe(1);
});
