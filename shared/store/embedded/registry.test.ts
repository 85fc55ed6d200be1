import { expect, test } from 'vitest';
import { parseNetConf } from '../../config/net-conf.ts';
import type { KubeObject } from '../kube-object.ts';
import { ManualClock } from '../manual-clock.ts';
import { LEASE_DURATION_MS } from '../registry.ts';
import { describeNodeRegistry } from '../registry-contract.ts';
import { cidr, LeaseWatcher, sampleNode, show } from '../registry-samples.ts';
import { leaseKey, nodeKey, removeNode } from './node-records.ts';
import { EmbeddedRegistry } from './registry.ts';
import { StoreDirectory } from './test-store.ts';

describeNodeRegistry('embedded', async ({ networks, clock, random }) => {
  const directory = new StoreDirectory();
  const open = (): EmbeddedRegistry =>
    new EmbeddedRegistry(directory.open({ environment: { clock } }), { networks, random });
  const registry = open();
  const other = open();
  return {
    registry,
    other,
    [Symbol.asyncDispose]: async () => {
      await registry[Symbol.asyncDispose]();
      await other[Symbol.asyncDispose]();
      directory[Symbol.dispose]();
    },
  };
});

const networks = parseNetConf('{"Network":"10.244.0.0/16","EnableIPv6":true,"IPv6Network":"fd00:244::/48"}');

function setUp(directory: StoreDirectory): {
  clock: ManualClock;
  store: ReturnType<StoreDirectory['open']>;
  registry: EmbeddedRegistry;
} {
  const clock = new ManualClock(Date.UTC(2026, 0, 31));
  const store = directory.open({ environment: { clock } });
  return { clock, store, registry: new EmbeddedRegistry(store, { networks, random: () => 0 }) };
}

test("a registration is a Node as flannel's and a Lease as the kubelet's", async () => {
  using directory = new StoreDirectory();
  const { store, registry } = setUp(directory);
  await registry.acquire(sampleNode('a', 1, { instance: 'uuid' }));
  const node = store.get(nodeKey('a'));
  expect(node).toMatchObject({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name: 'a',
      annotations: {
        'flannel.alpha.coreos.com/kube-subnet-manager': 'true',
        'flannel.alpha.coreos.com/backend-type': 'vxlan',
        'flannel.alpha.coreos.com/backend-data': '{"VNI":1,"VtepMAC":"02:00:00:00:00:01"}',
        'flannel.alpha.coreos.com/backend-v6-data': '{"VNI":1,"VtepMAC":"x"}',
        'flannel.alpha.coreos.com/public-ip': '192.0.2.1',
        'flannel.alpha.coreos.com/public-ipv6': '2001:db8::1',
      },
    },
    spec: { podCIDR: '10.244.1.0/24', podCIDRs: ['10.244.1.0/24', 'fd00:244:0:1::/64'] },
  });
  expect(store.get(leaseKey('a'))).toMatchObject({
    apiVersion: 'coordination.k8s.io/v1',
    metadata: { name: 'a', namespace: 'kube-node-lease' },
    spec: {
      holderIdentity: 'uuid',
      leaseDurationSeconds: 86400,
      acquireTime: '2026-01-31T00:00:00.000000Z',
      renewTime: '2026-01-31T00:00:00.000000Z',
    },
  });
});

test('a renewal that changes nothing else leaves the Node alone', async () => {
  using directory = new StoreDirectory();
  const { clock, store, registry } = setUp(directory);
  await registry.acquire(sampleNode('a', 1));
  const before = store.get(nodeKey('a'));
  clock.advance(1000);
  await registry.renew(sampleNode('a', 1));
  expect(store.get(nodeKey('a'))).toEqual(before);
  expect(store.get(leaseKey('a'))?.['spec']).toMatchObject({
    acquireTime: '2026-01-31T00:00:00.000000Z',
    renewTime: '2026-01-31T00:00:01.000000Z',
  });
});

test('deleting a node takes its lease along and is told at once', async () => {
  using directory = new StoreDirectory();
  const { store, registry } = setUp(directory);
  await registry.acquire(sampleNode('a', 1));
  await using watcher = new LeaseWatcher(registry, (await registry.list()).version);
  const next = watcher.texts();
  const operator = directory.open();
  operator.transact((transaction) => removeNode(transaction, 'a'));
  expect(await next).toEqual(['removed a deleted']);
  expect([store.get(nodeKey('a')), store.get(leaseKey('a'))]).toEqual([undefined, undefined]);
});

const reservation: KubeObject = {
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: 'a', labels: { rack: '7' } },
  spec: { podCIDR: '10.244.1.0/24', podCIDRs: ['10.244.1.0/24'], unschedulable: true },
};

test("an operator's Node reserves its subnet, for its node alone, and outlives the lease", async () => {
  using directory = new StoreDirectory();
  const { clock, store, registry } = setUp(directory);
  store.put(reservation);
  expect((await registry.list()).leases).toEqual([]);
  const wanted = { subnet: cidr('10.244.1.0/24') };
  expect(show(await registry.acquire(sampleNode('b', 2), wanted))).toBe('b 10.244.2.0/24 fd00:244:0:1::/64');
  expect(show(await registry.acquire(sampleNode('a', 1)))).toBe('a 10.244.1.0/24 fd00:244:0:2::/64');
  expect(store.get(nodeKey('a'))).toMatchObject({
    metadata: { labels: { rack: '7' } },
    spec: { unschedulable: true, podCIDRs: ['10.244.1.0/24', 'fd00:244:0:2::/64'] },
  });
  clock.advance(LEASE_DURATION_MS);
  await registry.acquire(sampleNode('c', 3));
  expect(store.get(leaseKey('a'))).toBeUndefined();
  expect(store.get(nodeKey('b'))).toBeUndefined();
  expect(store.get(nodeKey('a'))).toBeDefined();
});

test('a reservation that comes or changes is told to nobody', async () => {
  using directory = new StoreDirectory();
  const { store, registry } = setUp(directory);
  await using watcher = new LeaseWatcher(registry, (await registry.list()).version);
  const next = watcher.texts();
  store.put(reservation);
  store.put({ ...reservation, spec: {} });
  await registry.acquire(sampleNode('b', 2));
  expect(await next).toEqual(['set b 10.244.1.0/24 fd00:244:0:1::/64']);
});

test('a network that changed gives the node a new subnet', async () => {
  using directory = new StoreDirectory();
  const { store, registry } = setUp(directory);
  await registry.acquire(sampleNode('a', 1));
  const moved = new EmbeddedRegistry(store, {
    networks: parseNetConf('{"Network":"10.9.0.0/16"}'),
    random: () => 0,
  });
  expect(show(await moved.acquire(sampleNode('a', 1)))).toBe('a 10.9.1.0/24');
});

test('after a reboot the wall clock decides which leases are left', async () => {
  using directory = new StoreDirectory();
  const { clock, registry } = setUp(directory);
  await registry.acquire(sampleNode('a', 1));
  clock.reboot();
  clock.setWall(clock.now().wallMs + LEASE_DURATION_MS - 1);
  expect((await registry.list()).leases).toHaveLength(1);
  clock.advance(1);
  expect((await registry.list()).leases).toHaveLength(0);
});

test('watches leave no timers behind', async () => {
  using directory = new StoreDirectory();
  const { clock, registry } = setUp(directory);
  await registry.acquire(sampleNode('a', 1));
  {
    await using watcher = new LeaseWatcher(registry, (await registry.list()).version);
    const next = watcher.next();
    await registry.acquire(sampleNode('b', 2));
    await next;
    expect(clock.timers).toBe(2);
  }
  expect(clock.timers).toBe(0);
});
