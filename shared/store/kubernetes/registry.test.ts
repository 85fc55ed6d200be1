import { describe, expect, test } from 'vitest';
import { parseNetConf } from '../../config/net-conf.ts';
import { FakeApiServer } from '../../kube/testing/fake-api-server.ts';
import { clientOf } from '../../kube/testing/fake-client.ts';
import { TestClock, until } from '../../kube/testing/test-clock.ts';
import { createLogger } from '../../log/logger.ts';
import { isLeaseLost, isTooOld } from '../errors.ts';
import { ManualClock } from '../manual-clock.ts';
import { describeNodeRegistry } from '../registry-contract.ts';
import { cidr, ip, LeaseWatcher, sampleNode } from '../registry-samples.ts';
import { KubernetesRegistry, type KubernetesRegistryOptions } from './registry.ts';
import { harnessFor, KUBERNETES_LIMITS } from './testing/harness.ts';

describeNodeRegistry(
  'Kubernetes, on a fake API server',
  async ({ networks, clock }) => {
    const server = new FakeApiServer();
    const harness = harnessFor(() => clientOf(server, clock), networks, clock);
    return {
      ...harness,
      [Symbol.asyncDispose]: async () => {
        await harness[Symbol.asyncDispose]();
        await server[Symbol.asyncDispose]();
      },
    };
  },
  KUBERNETES_LIMITS,
);

const v4 = parseNetConf('{"Network":"10.244.0.0/16"}');
const dual = parseNetConf('{"Network":"10.244.0.0/16","EnableIPv6":true,"IPv6Network":"fd00:244::/48"}');
const prefix = 'flannel.alpha.coreos.com';

/** A registry of node `me` on a fake server. */
function setUp(options: Partial<KubernetesRegistryOptions> = {}) {
  const server = new FakeApiServer();
  const clock = new ManualClock();
  const lines: string[] = [];
  const registry = new KubernetesRegistry({
    client: clientOf(server, clock),
    clock,
    networks: v4,
    annotationPrefix: prefix,
    self: 'me',
    random: () => 1,
    log: createLogger('test', { sink: (line) => lines.push(line) }),
    ...options,
  });
  const addNode = (name: string, podCIDRs: string[], annotations: Record<string, string> = {}): void => {
    const metadata = { name, annotations };
    server.store.create('api/v1/nodes', name, {
      metadata,
      spec: { podCIDR: podCIDRs[0], podCIDRs },
    } as never);
  };
  const annotations = (name: string): Readonly<Record<string, string>> =>
    server.store.get('api/v1/nodes', name).metadata.annotations ?? {};
  const failure = (promise: Promise<unknown>): Promise<string> => promise.then(String, String);
  return {
    server,
    clock,
    registry,
    lines,
    addNode,
    annotations,
    failure,
    [Symbol.asyncDispose]: async () => {
      await registry[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

describe('what a node publishes', () => {
  test('is patched into nodes/status, only where it differs, and nothing else is written', async () => {
    await using t = setUp({ networks: dual });
    t.addNode('me', ['10.244.1.0/24', 'fd00:244:0:1::/64'], {
      other: 'x',
      [`${prefix}/public-ip`]: '192.0.2.1',
    });
    await t.registry.acquire(sampleNode('me', 1));
    expect(t.annotations('me')).toEqual({
      other: 'x',
      [`${prefix}/kube-subnet-manager`]: 'true',
      [`${prefix}/backend-type`]: 'vxlan',
      [`${prefix}/backend-data`]: '{"VNI":1,"VtepMAC":"02:00:00:00:00:01"}',
      [`${prefix}/backend-v6-data`]: '{"VNI":1,"VtepMAC":"x"}',
      [`${prefix}/public-ip`]: '192.0.2.1',
      [`${prefix}/public-ipv6`]: '2001:db8::1',
    });
    await t.registry.acquire(sampleNode('me', 1));
    const writes = t.server.requests.filter(({ method }) => method !== 'GET');
    expect(writes.map(({ method, path }) => `${method} ${path}`)).toEqual(['PATCH /api/v1/nodes/me/status']);
    expect(writes[0]?.body).toHaveProperty(['metadata', 'annotations', `${prefix}/backend-type`]);
    expect(writes[0]?.body).not.toHaveProperty(['metadata', 'annotations', `${prefix}/public-ip`]);
  });

  test("an operator's overwrite is what the others are told", async () => {
    await using t = setUp({ networks: dual });
    t.addNode('me', ['10.244.1.0/24', 'fd00:244:0:1::/64'], {
      [`${prefix}/public-ip-overwrite`]: '203.0.113.9',
      [`${prefix}/public-ipv6-overwrite`]: '2001:db8:9::9',
    });
    const lease = await t.registry.acquire(sampleNode('me', 1));
    expect([lease.publicIp, lease.publicIpV6]).toEqual([ip('203.0.113.9'), ip('2001:db8:9::9')]);
    expect(t.annotations('me')[`${prefix}/public-ip`]).toBe('203.0.113.9');
    expect(t.annotations('me')[`${prefix}/public-ipv6`]).toBe('2001:db8:9::9');
  });

  test('is written again where somebody else wrote at the same moment', async () => {
    await using t = setUp();
    t.addNode('me', ['10.244.1.0/24']);
    const isPatch = ({ method }: { method: string }): boolean => method === 'PATCH';
    using conflicts = t.server.inject({ when: isPatch, times: 2, answer: { code: 409, reason: 'Conflict' } });
    await t.registry.acquire(sampleNode('me', 1));
    expect(t.annotations('me')[`${prefix}/public-ip`]).toBe('192.0.2.1');
    expect(t.server.requests.filter(isPatch)).toHaveLength(3);
    void conflicts;
  });

  test('goes when the node is given back', async () => {
    await using t = setUp();
    t.addNode('me', ['10.244.1.0/24'], { other: 'x' });
    await t.registry.acquire(sampleNode('me', 1));
    expect(await t.registry.release('me')).toBe(true);
    expect(t.annotations('me')).toEqual({ other: 'x' });
    expect(await t.registry.release('me')).toBe(false);
    expect(isLeaseLost(await t.registry.renew(sampleNode('me', 1)).catch((error: unknown) => error))).toBe(
      true,
    );
  });

  test('another prefix is used throughout', async () => {
    await using t = setUp({ annotationPrefix: 'example.org/net' });
    t.addNode('me', ['10.244.1.0/24']);
    await t.registry.acquire(sampleNode('me', 1));
    expect(t.annotations('me')['example.org/net-public-ip']).toBe('192.0.2.1');
    expect((await t.registry.list()).leases).toHaveLength(1);
  });
});

describe('a node that cannot be registered', () => {
  test('says what to do, and is told of its Node as soon as it can', async () => {
    await using t = setUp();
    expect(await t.failure(t.registry.acquire(sampleNode('me', 1)))).toContain('is the kubelet running');
    const { version } = await t.registry.list();
    await using watcher = new LeaseWatcher(t.registry, version);
    t.addNode('me', []);
    expect(await t.failure(t.registry.acquire(sampleNode('me', 1)))).toContain('--allocate-node-cidrs');
    const told = watcher.texts();
    const me = t.server.store.get('api/v1/nodes', 'me');
    t.server.store.replace('api/v1/nodes', 'me', { ...me, spec: { podCIDRs: ['10.244.7.0/24'] } } as never);
    expect(await told).toEqual(['set me 10.244.7.0/24']);
    expect((await t.registry.acquire(sampleNode('me', 1))).subnet).toEqual(cidr('10.244.7.0/24'));
  });

  test('a pod CIDR outside the network is no subnet, of nobody', async () => {
    await using t = setUp();
    t.addNode('me', ['10.99.1.0/24']);
    t.addNode('other', ['0.0.0.0/0'], { [`${prefix}/kube-subnet-manager`]: 'true' });
    expect(await t.failure(t.registry.acquire(sampleNode('me', 1)))).toContain(
      'node me has the podCIDR 10.99.1.0/24, which is not inside 10.244.0.0/16',
    );
    expect((await t.registry.list()).leases).toEqual([]);
  });

  test('one family of two is better than none', async () => {
    await using t = setUp({ networks: dual });
    t.addNode('me', ['10.244.1.0/24']);
    const lease = await t.registry.acquire(sampleNode('me', 1));
    expect([lease.subnet, lease.subnetV6]).toEqual([cidr('10.244.1.0/24'), undefined]);
    await t.registry.acquire(sampleNode('me', 1));
    expect(t.lines.filter((line) => line.includes('has no IPv6 podCIDR'))).toHaveLength(1);
  });
});

describe('the node condition', () => {
  test('is set once the network is up, kept, and set again on a Node that was made anew', async () => {
    await using t = setUp();
    t.addNode('me', ['10.244.1.0/24']);
    await t.registry.acquire(sampleNode('me', 1));
    const conditions = (): unknown =>
      (t.server.store.get('api/v1/nodes', 'me') as { status?: { conditions?: unknown } }).status?.conditions;
    expect(conditions()).toBeUndefined();
    await t.registry.networkIsUp('me');
    const time = '2026-01-01T00:00:00Z';
    const expected = {
      type: 'NetworkUnavailable',
      status: 'False',
      lastHeartbeatTime: time,
      lastTransitionTime: time,
      reason: 'FlannelIsUp',
      message: 'Flannel is running on this node',
    };
    expect(conditions()).toEqual([expected]);
    t.clock.advance(60_000);
    await t.registry.networkIsUp('me');
    expect(conditions()).toEqual([expected]);
    t.server.store.delete('api/v1/nodes', 'me');
    t.addNode('me', ['10.244.1.0/24']);
    await t.registry.acquire(sampleNode('me', 1));
    expect(conditions()).toMatchObject([{ status: 'False' }]);
  });

  test('is tried until the server takes it, ever later and partly by chance; trouble is told once each', async () => {
    // The waits, and none of the client's timers. In the middle of what chance gives.
    const clock = new TestClock();
    await using t = setUp({ clock, random: () => 0.5 });
    t.addNode('me', ['10.244.1.0/24']);
    const done = t.registry.networkIsUp('me');
    const waits: number[] = [];
    for (const code of [500, 500, 403, 403]) {
      using _ = t.server.inject({ answer: { code } });
      clock.advance(waits.at(-1) ?? 0);
      await until('a wait', () => clock.timers.length === 1);
      waits.push(...clock.timers);
    }
    // Between half of it and all of 0.5 s, 1 s, …
    expect(waits).toEqual([375, 750, 1500, 3000]);
    clock.advance(3000);
    await done;
    expect(t.server.store.get('api/v1/nodes', 'me')).toHaveProperty('status.conditions');
    const told = t.lines.filter((line) => line.includes('NetworkUnavailable'));
    expect(told.map((line) => line.split(' ')[1])).toEqual(['warn', 'warn', 'info']);
  });
});

describe('the watch', () => {
  const managed = { [`${prefix}/kube-subnet-manager`]: 'true', [`${prefix}/backend-type`]: 'host-gw' };
  const touch = (t: Awaited<ReturnType<typeof setUp>>, name: string, more: object): void => {
    const node = t.server.store.get('api/v1/nodes', name);
    t.server.store.replace('api/v1/nodes', name, { ...node, ...more } as never);
  };

  test('tells nothing of what does not matter: heartbeats, nodes of others, events that come twice', async () => {
    await using t = setUp();
    t.addNode('a', ['10.244.1.0/24'], managed);
    t.addNode('b', ['10.244.2.0/24']);
    await using watcher = new LeaseWatcher(t.registry, (await t.registry.list()).version);
    const told = watcher.texts();
    touch(t, 'a', { status: { conditions: [] } });
    touch(t, 'b', { status: { conditions: [] } });
    t.addNode('c', ['10.244.3.0/24']);
    touch(t, 'a', { spec: { podCIDRs: ['10.244.9.0/24'] } });
    expect(await told).toEqual(['set a 10.244.9.0/24']);
  });

  test('tells of a change of one family only', async () => {
    await using t = setUp({ networks: dual });
    t.addNode('a', ['10.244.1.0/24', 'fd00:244:0:1::/64'], managed);
    await using watcher = new LeaseWatcher(t.registry, (await t.registry.list()).version);
    const annotate = (more: object): void => {
      const { metadata } = t.server.store.get('api/v1/nodes', 'a');
      touch(t, 'a', { metadata: { ...metadata, annotations: { ...metadata.annotations, ...more } } });
    };
    let told = watcher.next();
    annotate({ [`${prefix}/public-ipv6`]: '2001:db8::7' });
    expect(await told).toMatchObject([{ type: 'set', lease: { publicIpV6: ip('2001:db8::7') } }]);
    told = watcher.next();
    annotate({ [`${prefix}/public-ip`]: '192.0.2.7' });
    expect(await told).toMatchObject([{ type: 'set', lease: { publicIp: ip('192.0.2.7') } }]);
  });

  test('goes on where it was after the server ended it, stopped, or hung; reports how it stands', async () => {
    await using t = setUp();
    const stop = new AbortController();
    const health: string[] = [];
    const { version } = await t.registry.list();
    const watch = t.registry.watch(version, stop.signal, (error) => health.push(error ? 'down' : 'up'));
    const opened = (times: number): Promise<void> =>
      until(
        'the watch',
        () => t.server.watches.size === 1 && health.filter((one) => one === 'up').length === times,
      );
    const meanwhile: [string, () => Promise<void>][] = [
      ['ended', async () => t.server.watches.end()],
      [
        'stopped',
        async () => {
          await t.server.stop();
          await until('the error', () => health.at(-1) === 'down');
          t.server.start();
        },
      ],
      [
        'hung',
        async () => {
          t.server.watches.freeze(true);
          await until('the watchdog', () => t.clock.timers >= 2);
          t.clock.advance(130_000);
          // Silence says nothing of the server: the next request does.
          await until('its end', () => t.server.watches.size === 0);
          expect(health.at(-1)).toBe('up');
          t.server.watches.freeze(false);
        },
      ],
    ];
    const next = (): Promise<string> =>
      watch
        .next()
        .then(({ value }) => (value?.events[0]?.type === 'set' ? value.events[0].lease.node : 'nothing'));
    let told = next();
    await opened(1);
    for (const [index, [name, happen]] of meanwhile.entries()) {
      await happen();
      t.addNode(name, [`10.244.${index + 1}.0/24`], managed);
      // Until the watch is back: waits grow.
      for (let tries = 0; tries < 50 && t.server.watches.size === 0; tries++) {
        t.clock.advance(1000);
        await Bun.sleep(5);
      }
      await opened(index + 2);
      expect(await told).toBe(name);
      told = next();
    }
    t.clock.setWall(0);
    t.addNode('last', ['10.244.77.0/24'], managed);
    expect(await told).toBe('last');
    expect(t.server.requests.filter(({ query }) => query.has('limit'))).toHaveLength(1);
    stop.abort();
    expect((await watch.next()).done).toBe(true);
  });

  test('of a history that is gone ends: list again', async () => {
    await using t = setUp();
    const { version } = await t.registry.list();
    t.addNode('a', ['10.244.1.0/24'], managed);
    t.server.compact();
    await using watcher = new LeaseWatcher(t.registry, version);
    expect(isTooOld(await watcher.next().catch((error: unknown) => error))).toBe(true);
    expect((await t.registry.list()).leases).toHaveLength(1);
  });
});

test('what a node published before is found without a list', async () => {
  await using t = setUp();
  const me = sampleNode('me', 1);
  expect(await t.registry.find(me)).toBeUndefined();
  t.addNode('me', ['10.244.1.0/24']);
  expect(await t.registry.find(me)).toBeUndefined();
  const lease = await t.registry.acquire(me);
  expect(await t.registry.find(me)).toEqual(lease);
  expect(t.server.requests.map(({ path }) => path)).not.toContain('/api/v1/nodes');
});

test('a registry that is closed lets go of what hangs', async () => {
  await using t = setUp();
  t.addNode('me', ['10.244.1.0/24']);
  using _ = t.server.inject({ answer: 'hang' });
  const asked = t.failure(t.registry.acquire(sampleNode('me', 1)));
  await until('the request', () => t.server.requests.length === 1);
  await t.registry[Symbol.asyncDispose]();
  expect(await asked).toBe('Error: the registry is closed');
});

test('a list is no older than what a list or a watch has shown', async () => {
  await using t = setUp();
  t.addNode('me', ['10.244.1.0/24']);
  const { version } = await t.registry.list();
  await using watcher = new LeaseWatcher(t.registry, version);
  const next = watcher.next();
  await until('the watch', () => t.server.watches.size === 1);
  t.addNode('other', ['10.244.2.0/24'], { [`${prefix}/kube-subnet-manager`]: 'true' });
  await next;
  const seen = String(t.server.store.version);
  await t.registry.list();
  expect(t.server.requests.at(-1)?.query.get('resourceVersion')).toBe(seen);
});
