/** What the contract suite does not ask: flannel's bytes, identity, faults; against an imitation and the real one. */

import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { parseNetConf } from '../../config/net-conf.ts';
import { isCancelled, isDeadlineExceeded, isUnavailable } from '../../grpc/error.ts';
import { isLeaseLost, isTooOld } from '../errors.ts';
import { ManualClock } from '../manual-clock.ts';
import { LEASE_DURATION_MS, type LeaseEvent, type NodeLease } from '../registry.ts';
import { cidr, ip, LeaseWatcher, sampleNode, show } from '../registry-samples.ts';
import { EtcdClient, type EtcdClientOptions } from './client.ts';
import type { EtcdMemory } from './memory.ts';
import { EtcdRegistry } from './registry.ts';
import { FakeEtcd } from './testing/fake-etcd.ts';

const prefix = '/coreos.com/network';
const networks = parseNetConf('{"Network":"10.244.0.0/16"}');
const dual = parseNetConf('{"Network":"10.244.0.0/16","EnableIPv6":true,"IPv6Network":"fd00:244::/48"}');
const undo: (() => unknown)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

async function setUp(): Promise<{ clock: ManualClock; etcd: FakeEtcd }> {
  const clock = new ManualClock();
  const etcd = await new FakeEtcd(clock).start();
  undo.push(() => etcd[Symbol.asyncDispose]());
  return { clock, etcd };
}

function clientOf(etcd: FakeEtcd, more: Partial<EtcdClientOptions> = {}): EtcdClient {
  const client = new EtcdClient({ endpoints: [etcd.endpoint], ...more });
  undo.push(() => client[Symbol.dispose]());
  return client;
}

function open(
  { clock, etcd }: { clock: ManualClock; etcd: FakeEtcd },
  more: Partial<ConstructorParameters<typeof EtcdRegistry>[0]> = {},
): EtcdRegistry {
  return new EtcdRegistry({ client: clientOf(etcd), prefix, networks, clock, random: () => 0, ...more });
}

async function keys(etcd: FakeEtcd): Promise<string[]> {
  const { kvs } = await clientOf(etcd).list(`${prefix}/subnets/`);
  return kvs.map(({ key }) => key.slice(prefix.length + 9));
}

/** Somebody else's node. */
function put(etcd: FakeEtcd, name: string): void {
  const key = `${prefix}/subnets/${name}`;
  etcd.model.put({ key, value: '{"BackendType":"x"}', lease: 0n, prevKv: false });
}

/** Lets time pass, ten times as fast as it does. */
function passing(clock: ManualClock): Disposable {
  const timer = setInterval(() => clock.advance(100), 10);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

const failure = (error: unknown): unknown => error;

async function until(condition: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 5000; !condition(); ) {
    if (Date.now() > deadline) throw new Error('it never came true');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe("flannel's layout", () => {
  test('keys and values are byte for byte what flanneld writes', async () => {
    const world = await setUp();
    const vxlan = { VNI: 1, VtepMAC: '5e:f0:7c:0e:f1:9c' };
    await open(world).acquire({
      name: 'a',
      publicIp: ip('192.0.2.1'),
      backend: { type: 'vxlan', data: vxlan },
    });
    await open(world, { networks: dual }).acquire({
      name: 'b',
      publicIp: ip('192.0.2.2'),
      publicIpV6: ip('2001:db8::2'),
      backend: { type: 'wireguard', data: { PublicKey: 'a<b>&c=' }, v6Data: { PublicKey: 'x' } },
    });
    await open(world).acquire({ name: 'c', publicIp: ip('192.0.2.3'), backend: { type: 'alloc' } });
    const { kvs } = await clientOf(world.etcd).list(prefix);
    expect(kvs.map(({ key, value }) => [key, value])).toEqual([
      [
        '/coreos.com/network/subnets/10.244.1.0-24',
        '{"PublicIP":"192.0.2.1","PublicIPv6":null,"BackendType":"vxlan",' +
          '"BackendData":{"VNI":1,"VtepMAC":"5e:f0:7c:0e:f1:9c"}}',
      ],
      [
        '/coreos.com/network/subnets/10.244.2.0-24&fd00:244:0:1::-64',
        '{"PublicIP":"192.0.2.2","PublicIPv6":"2001:db8::2","BackendType":"wireguard",' +
          '"BackendData":{"PublicKey":"a\\u003cb\\u003e\\u0026c="},"BackendV6Data":{"PublicKey":"x"}}',
      ],
      ['/coreos.com/network/subnets/10.244.3.0-24', '{"PublicIP":"192.0.2.3","PublicIPv6":null}'],
    ]);
    expect((await open(world).list()).leases.map((lease) => [lease.node, lease.backend.type])).toEqual([
      ['10.244.1.0-24', 'vxlan'],
      ['10.244.2.0-24&fd00:244:0:1::-64', 'wireguard'],
      ['10.244.3.0-24', 'alloc'],
    ]);
  });

  test('what nobody can read takes its subnet, and costs nobody else anything', async () => {
    const world = await setUp();
    const client = clientOf(world.etcd);
    await client.put(`${prefix}/subnets/10.244.1.0-24`, 'no JSON');
    await client.put(`${prefix}/subnets/10.244.2.0-24`, '[]');
    await client.put(`${prefix}/subnets/something`, '{}');
    const registry = open(world);
    expect(show(await registry.acquire(sampleNode('a', 1)))).toBe('a 10.244.3.0/24');
    expect((await registry.list()).leases.map(show)).toEqual(['a 10.244.3.0/24']);
  });

  test('a reservation is seen by nobody, and taken by the node whose address it has, for good', async () => {
    const world = await setUp();
    await clientOf(world.etcd).put(`${prefix}/subnets/10.244.9.0-24`, '{"PublicIP":"192.0.2.1"}');
    const registry = open(world);
    expect((await registry.list()).leases).toEqual([]);
    await registry.acquire(sampleNode('b', 2), { subnet: cidr('10.244.9.0/24') });
    const lease = await registry.acquire(sampleNode('a', 1), { subnet: cidr('10.244.5.0/24') });
    expect([show(lease), lease.expiresAt]).toEqual(['a 10.244.9.0/24', Number.POSITIVE_INFINITY]);
    expect((await registry.renew(sampleNode('a', 1))).expiresAt).toBe(Number.POSITIVE_INFINITY);
    world.clock.advance(2 * LEASE_DURATION_MS);
    expect((await open(world).list()).leases.map(show)).toEqual(['10.244.9.0-24 10.244.9.0/24']);
  });
});

describe('whose record it is', () => {
  test('a node that moved keeps its subnet, by its instance', async () => {
    const world = await setUp();
    await open(world).acquire(sampleNode('a', 1, { instance: 'one' }));
    const moved = open(world);
    expect(show((await moved.find(sampleNode('a', 7, { instance: 'one' }))) as NodeLease)).toBe(
      'a 10.244.1.0/24',
    );
    expect(show(await moved.acquire(sampleNode('a', 7, { instance: 'one' })))).toBe('a 10.244.1.0/24');
    expect(await keys(world.etcd)).toEqual(['10.244.1.0-24']);
    expect((await open(world).list()).leases[0]?.publicIp).toEqual(ip('192.0.2.7'));
  });

  test('one that was installed anew keeps it by its address, and so does a node that ran flanneld', async () => {
    const world = await setUp();
    await open(world).acquire(sampleNode('a', 1));
    expect(show(await open(world).acquire(sampleNode('a', 1, { instance: 'new' })))).toBe('a 10.244.1.0/24');
    expect(show(await open(world).acquire(sampleNode('b', 2, { instance: 'other' })))).toBe(
      'b 10.244.2.0/24',
    );
  });

  test('before it has registered, a node is to itself one among the others', async () => {
    const world = await setUp();
    await open(world).acquire(sampleNode('a', 1));
    const registry = open(world);
    const { leases, version } = await registry.list();
    expect(leases.map(show)).toEqual(['10.244.1.0-24 10.244.1.0/24']);
    await using watcher = new LeaseWatcher(registry, version);
    const next = watcher.next();
    await registry.acquire(sampleNode('a', 1));
    await next;
    expect((await registry.list()).leases.map(show)).toEqual(['a 10.244.1.0/24']);
    // When it is gone, both names are.
    const gone = watcher.next();
    await clientOf(world.etcd).delete(`${prefix}/subnets/10.244.1.0-24`);
    expect(await gone).toEqual([
      { type: 'removed', node: '10.244.1.0-24', reason: 'deleted' },
      { type: 'removed', node: 'a', reason: 'deleted' },
    ] satisfies LeaseEvent[]);
  });

  test('a cluster that becomes dual-stack keeps its IPv4 subnets; old key and new one change at once', async () => {
    const world = await setUp();
    await open(world).acquire(sampleNode('a', 1, { instance: 'one' }));
    await using watcher = new LeaseWatcher(open(world), (await open(world).list()).version);
    const next = watcher.texts();
    const lease = await open(world, { networks: dual }).acquire(sampleNode('a', 1, { instance: 'one' }));
    expect(show(lease)).toBe('a 10.244.1.0/24 fd00:244:0:1::/64');
    expect(await keys(world.etcd)).toEqual(['10.244.1.0-24&fd00:244:0:1::-64']);
    expect((await next).sort()).toEqual([
      'removed 10.244.1.0-24 deleted',
      'set 10.244.1.0-24&fd00:244:0:1::-64 10.244.1.0/24 fd00:244:0:1::/64',
    ]);
  });

  test('an IPv4 subnet that another key holds with another IPv6 one is taken', async () => {
    const world = await setUp();
    await open(world, { networks: dual }).acquire(sampleNode('a', 1));
    expect(show(await open(world).acquire(sampleNode('b', 2), { subnet: cidr('10.244.1.0/24') }))).toBe(
      'b 10.244.2.0/24',
    );
  });

  test('the lease of another length than before takes its place, and the former one is ended', async () => {
    const world = await setUp();
    const node = sampleNode('a', 1, { instance: 'one' });
    await open(world).acquire(node);
    const shorter = await open(world, { leaseDurationMs: 60_000 }).acquire(node);
    expect(shorter.expiresAt - world.clock.now().wallMs).toBe(60_000);
    expect(world.etcd.calls.filter((call) => call === 'revoke')).toHaveLength(1);
    world.clock.advance(60_000);
    expect(await keys(world.etcd)).toEqual([]);
  });
});

describe('when things go wrong', () => {
  test('a revoked lease is told, and taken again with the same subnet', async () => {
    const world = await setUp();
    const registry = open(world);
    await registry.acquire(sampleNode('a', 1), { subnet: cidr('10.244.77.0/24') });
    await using watcher = new LeaseWatcher(registry, (await registry.list()).version);
    const next = watcher.texts();
    const [kv] = (await clientOf(world.etcd).list(`${prefix}/subnets/`)).kvs;
    await clientOf(world.etcd).revoke(kv?.lease ?? 0n);
    expect(await next).toContain('removed a deleted');
    expect(isLeaseLost(await registry.renew(sampleNode('a', 1)).catch(failure))).toBe(true);
    const want = { subnet: cidr('10.244.77.0/24') };
    expect(show(await registry.acquire(sampleNode('a', 1), want))).toBe('a 10.244.77.0/24');
  });

  test('a record that somebody took over is lost', async () => {
    const world = await setUp();
    const registry = open(world);
    await registry.acquire(sampleNode('a', 1));
    await clientOf(world.etcd).put(`${prefix}/subnets/10.244.1.0-24`, '{"PublicIP":"192.0.2.9"}');
    expect(isLeaseLost(await registry.renew(sampleNode('a', 1)).catch(failure))).toBe(true);
    expect(show(await registry.acquire(sampleNode('a', 1)))).toBe('a 10.244.2.0/24');
  });

  test('a watch goes on behind a restart of etcd, and misses nothing', async () => {
    const world = await setUp();
    await using watcher = new LeaseWatcher(open(world), (await open(world).list()).version);
    let next = watcher.texts();
    await open(world).acquire(sampleNode('a', 1));
    expect(await next).toEqual(['set 10.244.1.0-24 10.244.1.0/24']);
    next = watcher.texts();
    await world.etcd.stop();
    world.etcd.model.put({
      key: `${prefix}/subnets/10.244.8.0-24`,
      value: '{"BackendType":"x"}',
      lease: 0n,
      prevKv: false,
    });
    await world.etcd.start();
    using _ = passing(world.clock);
    expect(await next).toEqual(['set 10.244.8.0-24 10.244.8.0/24']);
  });

  test('one that stays away is told of', async () => {
    const world = await setUp();
    await using watcher = new LeaseWatcher(open(world), (await open(world).list()).version);
    const next = watcher.next().catch(failure);
    await world.etcd.stop();
    using _ = passing(world.clock);
    expect(isUnavailable(await next)).toBe(true);
  });

  test('a watch from before a compaction is too old', async () => {
    const world = await setUp();
    const { version } = await open(world).list();
    for (const n of [1, 2, 3]) await open(world).acquire(sampleNode(`n${n}`, n));
    await clientOf(world.etcd).compact(4n);
    await using watcher = new LeaseWatcher(open(world), version);
    expect(isTooOld(await watcher.next().catch(failure))).toBe(true);
  });

  test('an etcd that lost everything is noticed by watch and list, after a restart of ours as well', async () => {
    const world = await setUp();
    let memory:
      | Parameters<NonNullable<ConstructorParameters<typeof EtcdRegistry>[0]['onMemory']>>[0]
      | undefined;
    const registry = open(world, { onMemory: (now) => (memory = now) });
    for (const n of [1, 2, 3]) await registry.acquire(sampleNode(`n${n}`, n));
    const before = await registry.list();
    expect(before.rebuiltAt).toBe(undefined);
    await using watcher = new LeaseWatcher(registry, before.version);
    const next = watcher.next().catch(failure);
    await world.etcd.stop();
    world.etcd.wipe();
    await world.etcd.start();
    {
      using _ = passing(world.clock);
      expect(isTooOld(await next)).toBe(true);
    }
    const after = await registry.list();
    expect([after.leases, after.rebuiltAt]).toEqual([[], world.clock.now().wallMs]);
    expect(after.epoch).not.toBe(before.epoch);
    const again = await open(world, { ...(memory && { memory }) }).list();
    expect([again.epoch, again.rebuiltAt]).toEqual([after.epoch, after.rebuiltAt]);
  });

  test.each([
    ["whose revisions have overtaken the old one's", 50],
    ['whose revisions are lower', 0],
  ])('a wiped etcd %s is noticed when the watch is taken up again', async (_, others) => {
    const world = await setUp();
    const registry = open(world);
    await registry.acquire(sampleNode('a', 1, { instance: 'one' }), { subnet: cidr('10.244.9.0/24') });
    const before = await registry.list();
    await using watcher = new LeaseWatcher(registry, before.version);
    const next = watcher.next().catch(failure);
    await world.etcd.stop();
    world.etcd.wipe();
    for (let n = 0; n < others; n++) put(world.etcd, `10.244.${100 + n}.0-24`);
    await world.etcd.start();
    using _passing = passing(world.clock);
    expect(isTooOld(await next)).toBe(true);
    const after = await registry.list();
    expect(after.epoch).not.toBe(before.epoch);
    expect(after.rebuiltAt).toBeGreaterThan(0);
    expect(after.leases.some(({ node }) => node === 'a')).toBe(false);
    const want = { subnet: cidr('10.244.9.0/24') };
    expect(isLeaseLost(await registry.renew(sampleNode('a', 1, { instance: 'one' })).catch(failure))).toBe(
      true,
    );
    expect(show(await registry.acquire(sampleNode('a', 1, { instance: 'one' }), want))).toBe(
      'a 10.244.9.0/24',
    );
  });

  test('one that was wiped and has overtaken is noticed by the next list, after a restart of ours as well', async () => {
    const world = await setUp();
    let memory: EtcdMemory | undefined;
    const registry = open(world, { onMemory: (now) => (memory = now) });
    await registry.acquire(sampleNode('a', 1, { instance: 'one' }));
    const { epoch } = await registry.list();
    world.etcd.wipe();
    for (let n = 0; n < 50; n++) put(world.etcd, `10.244.${100 + n}.0-24`);
    const again = open(world, memory && { memory });
    expect((await again.list()).epoch).not.toBe(epoch);
    expect((await registry.list()).epoch).not.toBe(epoch);
  });

  test('what was compacted away is no loss; a lease that ended before its time then is one', async () => {
    const world = await setUp();
    const registry = open(world);
    const node = sampleNode('a', 1, { instance: 'one' });
    await registry.acquire(node);
    const { epoch } = await registry.list();
    // The record that is remembered changed, and its history is gone.
    await open(world).acquire(node);
    for (let n = 0; n < 50; n++) put(world.etcd, `10.244.${100 + n}.0-24`);
    world.etcd.model.compact(world.etcd.model.header.revision);
    expect((await registry.list()).epoch).toBe(epoch);
    const fresh = open(world);
    await fresh.acquire(node);
    world.etcd.wipe();
    for (let n = 0; n < 100; n++) put(world.etcd, `10.244.${100 + n}.0-24`);
    world.etcd.model.compact(world.etcd.model.header.revision);
    const { rebuiltAt } = await fresh.list();
    expect(rebuiltAt).toBe(world.clock.now().wallMs);
  });

  test('a restored backup is one that lost its memory; the own record is written again', async () => {
    const world = await setUp();
    const registry = open(world);
    const node = sampleNode('a', 1, { instance: 'one' });
    await registry.acquire(node);
    const backup = world.etcd.model.copy();
    await registry.renew(sampleNode('a', 2, { instance: 'one' }));
    const { epoch, leases } = await registry.list();
    expect(leases[0]?.publicIp).toEqual(ip('192.0.2.2'));
    world.etcd.model = backup;
    for (let n = 0; n < 50; n++) put(world.etcd, `10.244.${100 + n}.0-24`);
    const restored = await registry.list();
    expect(restored.epoch).not.toBe(epoch);
    // It is not what the node published last.
    expect(restored.leases.some(({ node }) => node === 'a')).toBe(false);
    expect(show(await registry.acquire(sampleNode('a', 2, { instance: 'one' })))).toBe('a 10.244.1.0/24');
    expect((await open(world).list()).leases[0]?.publicIp).toEqual(ip('192.0.2.2'));
  });

  test('answers that overtake each other are no loss', async () => {
    const world = await setUp();
    const registry = open(world);
    await registry.acquire(sampleNode('a', 1));
    const { epoch } = await registry.list();
    const slow = Promise.withResolvers<void>();
    world.etcd.hold('range', slow.promise);
    // Asked for first, as of an older revision, and told last.
    const first = registry.list();
    await world.etcd.held();
    world.etcd.hold('range', undefined);
    put(world.etcd, '10.244.8.0-24');
    await open(world).acquire(sampleNode('b', 2));
    await registry.find(sampleNode('c', 3));
    await registry.acquire(sampleNode('c', 3));
    await registry.release('c');
    await registry.acquire(sampleNode('c', 3));
    slow.resolve();
    expect((await first).epoch).toBe(epoch);
    expect((await registry.list()).epoch).toBe(epoch);
  });

  test('a member whose connection lives and that answers nothing is left for another', async () => {
    const world = await setUp();
    const other = await new FakeEtcd(world.clock).start();
    undo.push(() => other[Symbol.asyncDispose]());
    other.model = world.etcd.model;
    const endpoints = [world.etcd.endpoint, other.endpoint];
    const client = new EtcdClient({ endpoints, timeoutMs: 200 });
    const registry = open(world, { client });
    await registry.acquire(sampleNode('a', 1));
    for (const name of ['keepAlive', 'watch'] as const) {
      for (const each of [world.etcd, other]) each.hold(name, undefined);
      const asked = world.etcd.calls.length;
      await registry.list();
      const [first, second] = world.etcd.calls.length > asked ? [world.etcd, other] : [other, world.etcd];
      first.hold(name, new Promise(() => {}));
      using _ = passing(world.clock);
      if (name === 'keepAlive') {
        expect(isDeadlineExceeded(await registry.renew(sampleNode('a', 1)).catch(failure))).toBe(true);
        expect((await registry.renew(sampleNode('a', 1))).node).toBe('a');
      } else {
        await using watcher = new LeaseWatcher(registry, (await registry.list()).version);
        const next = watcher.texts();
        await until(() => second.calls.includes('watch'));
        await open(world).acquire(sampleNode('b', 2));
        expect(await next).toEqual(['set 10.244.2.0-24 10.244.2.0/24']);
      }
    }
  });

  test('a watch that is never answered is given up', async () => {
    const world = await setUp();
    await using watcher = new LeaseWatcher(open(world), (await open(world).list()).version);
    world.etcd.hold('watch', new Promise(() => {}));
    const next = watcher.next().catch(failure);
    using _ = passing(world.clock);
    expect(isDeadlineExceeded(await next)).toBe(true);
  });

  test('lists of thousands come in pages of one revision', async () => {
    const world = await setUp();
    for (let n = 0; n < 4500; n++) {
      const key = `${prefix}/subnets/10.${n >> 8}.${n & 255}.0-24`;
      world.etcd.model.put({ key, value: '{"BackendType":"x"}', lease: 0n, prevKv: false });
    }
    const { leases } = await open(world).list();
    expect(new Set(leases.map(({ node }) => node)).size).toBe(4500);
    expect(world.etcd.calls.filter((call) => call === 'range')).toHaveLength(3);
  });
});

describe('users', () => {
  test('a token is asked for once, and anew when it is worth nothing any more', async () => {
    const world = await setUp();
    world.etcd.user = { name: 'flannel', password: 'secret' };
    const client = clientOf(world.etcd, { username: 'flannel', password: 'secret' });
    const registry = open(world, { client });
    await registry.acquire(sampleNode('a', 1));
    await registry.renew(sampleNode('a', 1));
    const asked = (): number => world.etcd.calls.filter((call) => call === 'authenticate').length;
    expect(asked()).toBe(1);
    world.etcd.expireTokens();
    await registry.renew(sampleNode('a', 1));
    world.etcd.expireTokens();
    await registry.list();
    expect(asked()).toBe(3);
    world.etcd.user = undefined;
    expect((await registry.list()).leases).toHaveLength(1);
  });

  test('a wrong password says so', async () => {
    const world = await setUp();
    world.etcd.user = { name: 'flannel', password: 'secret' };
    const client = clientOf(world.etcd, { username: 'flannel', password: 'wrong' });
    await expect(open(world, { client }).list()).rejects.toThrow(/authentication failed/);
  });
});

describe('a server that takes connections and says nothing', () => {
  const silent = async (): Promise<string> => {
    const server = createServer(() => {}).listen(0, '127.0.0.1');
    await once(server, 'listening');
    undo.push(() => server.close());
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  };
  const calls: readonly [string, (client: EtcdClient, signal?: AbortSignal) => Promise<unknown>][] = [
    ['get', (client, signal) => client.get('a', { ...(signal && { signal }) })],
    ['list', (client, signal) => client.list('a', { ...(signal && { signal }) })],
    ['put', (client, signal) => client.put('a', 'b', 0n, signal)],
    ['txn', (client, signal) => client.txn([], [], signal)],
    ['delete', (client, signal) => client.delete('a', signal)],
    ['grant', (client, signal) => client.grant(0n, 9, signal)],
    ['keepAlive', (client, signal) => client.keepAlive(9n, signal)],
    ['revoke', (client, signal) => client.revoke(9n, signal)],
    ['watch', (client, signal) => client.watch('a', 1n, signal ?? new AbortController().signal)],
  ];
  const users = [{}, { username: 'u', password: 'p' }];

  test.each(calls)('%s ends by its time limit, by the signal, and with the client', async (_, call) => {
    const endpoints = [await silent()];
    for (const user of users) {
      const late = await call(new EtcdClient({ endpoints, timeoutMs: 100, ...user })).catch(failure);
      expect(isDeadlineExceeded(late) || isUnavailable(late)).toBe(true);
      const client = new EtcdClient({ endpoints, timeoutMs: 60_000, ...user });
      const stop = new AbortController();
      const stopped = call(client, stop.signal).catch(failure);
      setTimeout(() => stop.abort(), 20);
      expect(isCancelled(await stopped)).toBe(true);
      const closed = call(client).catch(failure);
      setTimeout(() => client[Symbol.dispose](), 20);
      expect(isCancelled(await closed)).toBe(true);
    }
  });

  test('a registry that is closed ends what is under way', async () => {
    const clock = new ManualClock();
    const client = new EtcdClient({ endpoints: [await silent()], timeoutMs: 60_000 });
    const stop = new AbortController();
    const registry = new EtcdRegistry({ client, prefix, networks, clock, signal: stop.signal });
    const acquiring = registry.acquire(sampleNode('a', 1)).catch(failure);
    setTimeout(() => stop.abort(), 20);
    expect(isCancelled(await acquiring)).toBe(true);
  });
});
