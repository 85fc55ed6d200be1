import { afterEach, describe, expect, test } from 'vitest';
import { formatCidr } from '../../../shared/ip/cidr.ts';
import { systemClock } from '../../../shared/kube/clock.ts';
import { FakeApiServer } from '../../../shared/kube/testing/fake-api-server.ts';
import { clientOf } from '../../../shared/kube/testing/fake-client.ts';
import type { ApiObject } from '../../../shared/kube/types.ts';
import { silentLogger } from '../../../shared/log/logger.ts';
import { until } from '../testing/until.ts';
import { KubernetesSource } from './kubernetes.ts';

const stack: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of stack.splice(0).reverse()) await end();
});

function start(server: FakeApiServer) {
  const told = {
    services: new Map<string, string>(),
    slices: new Map<string, string>(),
    synced: 0,
    calls: [] as string[],
  };
  const seen: { cidrs: string[]; node: string; error: unknown } = { cidrs: [], node: '', error: undefined };
  const keep = (map: Map<string, string>, changes: ReadonlyMap<string, string | undefined>): void => {
    for (const [key, value] of changes)
      if (value === undefined) map.delete(key);
      else map.set(key, value);
  };
  const source = new KubernetesSource<string, string>({
    client: clientOf(server),
    clock: systemClock,
    log: silentLogger,
    node: 'n1',
    project: {
      service: (object) => (object as ApiObject & { spec: { clusterIP: string } }).spec.clusterIP,
      slice: (object) => object.metadata.name,
    },
    events: {
      services: (changes) => {
        told.calls.push(`services: ${[...changes.keys()]}`);
        keep(told.services, changes);
      },
      slices: (changes) => {
        told.calls.push(`slices: ${[...changes.keys()]}`);
        keep(told.slices, changes);
      },
      serviceCidrs: (networks) => {
        seen.cidrs = networks.map(formatCidr);
      },
      node: (node) => {
        seen.node = node
          ? `${node.zone} ${node.addresses.map(formatCidr)} ${node.podCidrs.map(formatCidr)} ${node.isEligible}`
          : 'none';
      },
      synced: () => {
        told.synced += 1;
        told.calls.push('synced');
      },
      health: (error) => {
        seen.error = error;
      },
    },
  });
  const stop = new AbortController();
  const end = source.run(stop.signal);
  stack.push(async () => {
    stop.abort();
    await end;
  });
  return { told, seen };
}

function server(): FakeApiServer {
  const made = new FakeApiServer();
  stack.push(() => made[Symbol.asyncDispose]());
  return made;
}

const SERVICES = 'api/v1/services';
const SLICES = 'apis/discovery.k8s.io/v1/endpointslices';

function put(
  at: FakeApiServer,
  collection: string,
  name: string,
  more: object = {},
  labels: object = {},
): void {
  const namespace =
    collection === 'api/v1/nodes' || collection.endsWith('servicecidrs') ? undefined : 'default';
  const key = namespace ? `${namespace}/${name}` : name;
  const object = { metadata: { name, ...(namespace && { namespace }), labels }, ...more } as ApiObject;
  try {
    at.store.create(collection, key, object);
  } catch {
    at.store.replace(collection, key, object);
  }
}

describe('the API server', () => {
  test("what is another proxy's, or headless, is not asked for; changes are told", async () => {
    const api = server();
    put(api, SERVICES, 'web', { spec: { clusterIP: '10.96.0.10' } });
    put(api, SERVICES, 'none', { spec: { clusterIP: 'None' } });
    put(
      api,
      SERVICES,
      'foreign',
      { spec: { clusterIP: '10.96.0.11' } },
      { 'service.kubernetes.io/service-proxy-name': 'x' },
    );
    put(api, SLICES, 'web-1');
    put(api, SLICES, 'headless', {}, { 'service.kubernetes.io/headless': '' });
    const { told, seen } = start(api);
    await until('the lists', () => told.synced === 1);
    expect([...told.services]).toEqual([['default/web', '10.96.0.10']]);
    expect([...told.slices.keys()]).toEqual(['default/web-1']);
    expect(told.calls.at(-1)).toBe('synced');
    put(api, SERVICES, 'web', { spec: { clusterIP: '10.96.0.12' } });
    await until('the change', () => told.services.get('default/web') === '10.96.0.12');
    put(
      api,
      SERVICES,
      'web',
      { spec: { clusterIP: '10.96.0.12' } },
      { 'service.kubernetes.io/service-proxy-name': 'x' },
    );
    await until('its leaving', () => told.services.size === 0);
    api.store.delete(SLICES, 'default/web-1');
    await until('the deletion', () => told.slices.size === 0);
    expect(told.synced).toBe(1);
    expect(seen.error).toBeUndefined();
  });

  test('a list that is read again tells of what is different alone', async () => {
    const api = server();
    put(api, SERVICES, 'web', { spec: { clusterIP: '10.96.0.10' } });
    put(api, SERVICES, 'other', { spec: { clusterIP: '10.96.0.11' } });
    put(api, SLICES, 'web-1');
    const { told } = start(api);
    await until('the lists', () => told.synced === 1);
    told.calls.splice(0);
    await api.stop();
    put(api, SERVICES, 'web', { spec: { clusterIP: '10.96.0.12' } });
    put(api, SLICES, 'web-2');
    api.compact();
    api.start();
    await until(
      'the lists',
      () => told.services.get('default/web') === '10.96.0.12' && told.slices.size === 2,
    );
    expect(told.calls.sort()).toEqual(['services: default/web', 'slices: default/web-2']);
  });

  test('nothing is synced before both lists are in', async () => {
    const api = server();
    const held = api.inject({ when: ({ path }) => path.endsWith('endpointslices'), answer: 'hang' });
    stack.push(() => held[Symbol.dispose]());
    put(api, SERVICES, 'web', { spec: { clusterIP: '10.96.0.10' } });
    const { told } = start(api);
    await until('the services', () => told.services.size === 1);
    expect(told.calls).toEqual(['services: default/web']);
  });

  test('the own node alone, and ServiceCIDRs', async () => {
    const api = server();
    put(api, 'api/v1/nodes', 'n2', { spec: { podCIDRs: ['10.244.2.0/24'] } });
    const node = (more: object): object => ({
      spec: { podCIDRs: ['10.244.1.0/24'], ...more },
      status: {
        addresses: [
          { type: 'Hostname', address: 'n1' },
          { type: 'ExternalIP', address: '203.0.113.1' },
          { type: 'InternalIP', address: '192.0.2.1' },
        ],
      },
    });
    put(api, 'api/v1/nodes', 'n1', node({}), { 'topology.kubernetes.io/zone': 'a' });
    put(api, 'apis/networking.k8s.io/v1/servicecidrs', 'kubernetes', {
      spec: { cidrs: ['10.96.0.0/12', 'fd00:96::/112'] },
    });
    const { seen } = start(api);
    await until('the node', () => seen.node !== '' && seen.cidrs.length > 0);
    expect(seen).toMatchObject({
      node: 'a 192.0.2.1/32,203.0.113.1/32 10.244.1.0/24 true',
      cidrs: ['10.96.0.0/12', 'fd00:96::/112'],
    });
    put(api, 'api/v1/nodes', 'n1', node({ taints: [{ key: 'ToBeDeletedByClusterAutoscaler' }] }));
    await until('the taint', () => seen.node.endsWith('false'));
    api.store.delete('api/v1/nodes', 'n1');
    await until('its deletion', () => seen.node === 'none');
  });

  test('an older server, which cannot choose Services by their address, is asked for all', async () => {
    const api = server();
    const fault = api.inject({
      when: ({ query }) =>
        query.has('fieldSelector') && query.get('fieldSelector')?.includes('clusterIP') === true,
      answer: { code: 400, reason: 'BadRequest' },
    });
    stack.push(() => fault[Symbol.dispose]());
    put(api, SERVICES, 'web', { spec: { clusterIP: '10.96.0.10' } });
    const { told, seen } = start(api);
    await until('the lists', () => told.synced === 1);
    expect([...told.services.keys()]).toEqual(['default/web']);
    expect(seen.error).toBeUndefined();
  });

  test('a server that refuses is told of, and that it is well again', async () => {
    const api = server();
    const fault = api.inject({
      when: ({ path }) => path.endsWith('/services'),
      answer: { code: 403, reason: 'Forbidden' },
    });
    const { told, seen } = start(api);
    await until('the error', () => seen.error !== undefined);
    expect(String(seen.error)).toMatch(/services: 403/);
    fault[Symbol.dispose]();
    await until('the lists', () => told.synced === 1 && seen.error === undefined);
  });
});
