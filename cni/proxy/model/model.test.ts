import { describe, expect, test } from 'vitest';
import type { EndpointSlice, Service } from '../../../shared/kube/types.ts';
import { formatEndpoint } from './endpoint.ts';
import { LOCAL, projectEndpointSlice, READY, SERVING, TERMINATING } from './endpoint-slice.ts';
import { explainPort } from './explain.ts';
import { projectService, type ServiceInfo } from './service.ts';
import { ServiceModel } from './service-model.ts';

const service = (name: string, spec: Service['spec'], more: Partial<Service> = {}): Service => ({
  metadata: { namespace: 'shop', name },
  spec: { clusterIP: '10.96.0.1', ports: [{ port: 80 }], ...spec },
  ...more,
});
const project = (one: Service): ServiceInfo => projectService(one) as ServiceInfo;

const slice = (
  name: string,
  of: string,
  ...endpoints: NonNullable<EndpointSlice['endpoints']>
): EndpointSlice => ({
  metadata: { namespace: 'shop', name, labels: { 'kubernetes.io/service-name': of } },
  addressType: 'IPv4',
  endpoints,
  ports: [{ name: '', port: 8080 }],
});

function modelOf(services: readonly Service[], slices: readonly EndpointSlice[] = []): ServiceModel {
  const model = new ServiceModel(4);
  for (const one of services) model.setService(`shop/${one.metadata.name}`, projectService(one));
  for (const one of slices) model.setSlice(`shop/${one.metadata.name}`, projectEndpointSlice(one, 'here'));
  model.take();
  return model;
}

describe('what is kept of a Service', () => {
  test.each([
    ['headless', { clusterIP: 'None' }],
    ['without an address yet', { clusterIP: '' }],
    ['a name of somebody else', { type: 'ExternalName', clusterIP: '10.96.0.1' }],
  ])('nothing of one that is %s', (_, spec) => {
    expect(projectService(service('a', spec))).toBeUndefined();
  });

  test('the parts that can be read, and what is wrong with the others', () => {
    const info = project(
      service('a', {
        ports: [{ port: 80 }, { name: 'x', port: 70_000 }, { name: 'y', protocol: 'ICMP', port: 1 }],
        externalIPs: ['203.0.113.1', 'nonsense', '203.0.113.1'],
        loadBalancerSourceRanges: [' 192.0.2.0/24 ', '300.0.0.0/8'],
      }),
    );
    expect(info.ports).toEqual([{ name: '', protocol: 'TCP', port: 80 }]);
    expect(info.externalIps).toHaveLength(1);
    expect(info.sourceRanges).toHaveLength(1);
    expect(info.problems).toEqual([
      'the external IP "nonsense" is no address',
      'port "x" ("TCP") cannot be served',
      'port "y" ("ICMP") cannot be served',
      'the source range "300.0.0.0/8" is no network',
    ]);
  });

  test('source ranges that cannot be read allow nobody', () => {
    expect(project(service('a', { loadBalancerSourceRanges: ['everybody'] })).sourceRanges).toEqual([]);
    expect(project(service('a', { loadBalancerSourceRanges: [] })).sourceRanges).toBeUndefined();
  });

  test('clients stay three hours unless it says otherwise', () => {
    expect(project(service('a', { sessionAffinity: 'ClientIP' })).affinity).toBe(10_800);
    const clientIP = { timeoutSeconds: 30 };
    const given = { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP } };
    expect(project(service('a', given)).affinity).toBe(30);
    expect(project(service('a', { sessionAffinity: 'None' })).affinity).toBeUndefined();
  });

  test('what comes from outside stays here only where it can come from outside', () => {
    const local = { externalTrafficPolicy: 'Local', healthCheckNodePort: 31_000 };
    expect(project(service('a', local)).externalPolicy).toBe('cluster');
    expect(project(service('a', { ...local, type: 'NodePort' }))).toMatchObject({ externalPolicy: 'local' });
    expect(project(service('a', { ...local, type: 'NodePort' })).healthCheckPort).toBeUndefined();
    expect(project(service('a', { ...local, type: 'LoadBalancer' })).healthCheckPort).toBe(31_000);
    expect(project(service('a', { ...local, externalIPs: ['203.0.113.1'] })).externalPolicy).toBe('local');
  });
});

describe('what is kept of a slice', () => {
  test('what is not said is ready and serving, and not ending; only the first address counts', () => {
    const info = projectEndpointSlice(
      slice(
        's',
        'a',
        { addresses: ['10.244.0.1', '10.244.0.2'], nodeName: 'here' },
        { addresses: ['10.244.0.3'], conditions: { ready: false, terminating: true }, nodeName: 'there' },
        { addresses: [] },
        { addresses: ['fd00::1'] },
      ),
      'here',
    );
    expect([...(info?.flags ?? '')].map((bits) => bits.charCodeAt(0))).toEqual([
      READY | SERVING | LOCAL,
      SERVING | TERMINATING,
    ]);
    expect(info?.places).toEqual([{ node: 'here' }, { node: 'there' }]);
    expect(info?.addresses).toBe('\x0a\xf4\x00\x01\x0a\xf4\x00\x03');
  });

  test('nothing of one of names, and of one of no Service', () => {
    expect(projectEndpointSlice({ ...slice('s', 'a'), addressType: 'FQDN' }, 'here')).toBeUndefined();
    expect(projectEndpointSlice({ ...slice('s', 'a'), metadata: { name: 's' } }, 'here')).toBeUndefined();
  });

  test('null is as good as nothing', () => {
    const holes = { endpoints: null, ports: null } as unknown as Partial<EndpointSlice>;
    expect(projectEndpointSlice({ ...slice('s', 'a'), ...holes }, 'here')).toMatchObject({
      ports: [],
      addresses: '',
    });
  });
});

describe('a frontend that several Services claim', () => {
  const claiming = (name: string, created: string, clusterIP: string): Service => ({
    ...service(name, { clusterIP, externalIPs: ['203.0.113.1'] }),
    metadata: { namespace: 'shop', name, creationTimestamp: created },
  });
  const old = claiming('z-old', '2026-01-01T00:00:00Z', '10.96.0.1');
  const young = claiming('a-young', '2026-01-02T00:00:00Z', '10.96.0.2');
  const external = (model: ServiceModel, name: string): number =>
    model.get(name)?.frontends.filter(({ kind }) => kind === 'external-ip').length ?? 0;

  test.each([
    ['older first', [old, young]],
    ['younger first', [young, old]],
  ])('is the older one’s, %s; the other is told', (_, services) => {
    const model = modelOf(services);
    expect([external(model, 'shop/z-old'), external(model, 'shop/a-young')]).toEqual([1, 0]);
    expect(model.problems('shop/a-young')).toEqual([
      'external-ip port 80 is served for shop/z-old, which claimed it first',
    ]);
    expect(model.problems('shop/z-old')).toEqual([]);
  });

  test('goes to the next when it is given up, and both are told of', () => {
    const model = modelOf([old, young]);
    model.setService('shop/z-old', undefined);
    expect([...model.take().ports].sort()).toEqual(['shop/a-young', 'shop/z-old']);
    expect(external(model, 'shop/a-young')).toBe(1);
  });

  test('three ports of one Service: the first by name, and no end of it', () => {
    const ports = ['c', 'a', 'b'].map((name) => ({ name, port: 80 }));
    const model = modelOf([service('s', { ports })]);
    const counts = ['a', 'b', 'c'].map((name) => model.get(`shop/s:${name}`)?.frontends.length);
    expect(counts).toEqual([1, 0, 0]);
  });
});

test('a load balancer’s check counts this node’s ready pods, once each', () => {
  const spec = {
    type: 'LoadBalancer',
    externalTrafficPolicy: 'Local',
    healthCheckNodePort: 31_000,
    ports: [{ port: 80 }, { name: 'b', port: 81 }],
  };
  const here = { addresses: ['10.244.0.1'], nodeName: 'here' };
  const there = { addresses: ['10.244.1.1'], nodeName: 'there' };
  const ending = {
    addresses: ['10.244.0.2'],
    nodeName: 'here',
    conditions: { ready: false, terminating: true },
  };
  const model = modelOf([service('a', spec)], [slice('s', 'a', here, there, ending), slice('t', 'a', here)]);
  expect(model.healthCheck('shop/a')).toEqual({ port: 31_000, localEndpoints: 1 });
  expect(model.healthCheck('shop/none')).toBeUndefined();
});

test('every endpoint says whether it is used, and if not, why', () => {
  const zoned = (zone: string): object => ({ hints: { forZones: [{ name: zone }] } });
  const model = new ServiceModel(4, { zone: 'z1', addresses: [] });
  model.setService('shop/a', project(service('a', { internalTrafficPolicy: 'Local' })));
  const endpoints = [
    { addresses: ['10.244.0.1'], nodeName: 'here', ...zoned('z1') },
    { addresses: ['10.244.0.2'], ...zoned('z2') },
    { addresses: ['10.244.0.3'], conditions: { ready: false } },
    { addresses: ['10.244.0.4'], conditions: { ready: false, terminating: true } },
  ];
  model.setSlice('shop/s', projectEndpointSlice(slice('s', 'a', ...endpoints), 'here'));
  model.take();
  const port = model.get('shop/a');
  if (!port) throw new Error('unreachable');
  expect(port.endpoints.map(formatEndpoint)).toEqual(['10.244.0.1:8080']);
  const settings = { zone: 'z1', masqueradeAll: false, detectsLocal: true };
  const explained = explainPort(port, model.candidates('shop/a'), settings);
  expect(explained.frontends).toEqual([
    { kind: 'cluster-ip', at: '10.96.0.1:80', treatment: { to: 'local', masquerade: 'from-outside' } },
  ]);
  const unused = { here: false, used: false, usedLocally: false };
  expect(explained.endpoints).toEqual([
    { endpoint: '10.244.0.1:8080', here: true, node: 'here', state: 'ready', used: true, usedLocally: true },
    {
      ...unused,
      endpoint: '10.244.0.2:8080',
      state: 'ready',
      why: 'its hints name z2, this node is in z1',
    },
    { ...unused, endpoint: '10.244.0.3:8080', state: 'not ready', why: 'not ready' },
    {
      ...unused,
      endpoint: '10.244.0.4:8080',
      state: 'ending, serves until then',
      why: 'ending: it would serve if no other were ready',
    },
  ]);
});
