import { describe, expect, test } from 'vitest';
import { formatCidr } from '../../../shared/ip/cidr.ts';
import { type Ip, parseIp } from '../../../shared/ip/ip.ts';
import type { EndpointSlice, Service } from '../../../shared/kube/types.ts';
import { formatAddress, formatEndpoint } from './endpoint.ts';
import { LOCAL, projectEndpointSlice, READY, SERVING, TERMINATING } from './endpoint-slice.ts';
import { explainPort } from './explain.ts';
import { projectService, type ServiceInfo } from './service.ts';
import { ServiceModel } from './service-model.ts';
import { SharedValues } from './shared-values.ts';

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

describe('what nobody validated', () => {
  const sound = service('a', { externalIPs: ['203.0.113.1'] });
  const wild = (parts: object): unknown => projectService({ ...sound, ...parts } as unknown as Service);

  test.each([undefined, null, 7, 'x', [], {}, { metadata: null }, { metadata: { name: 'a' } }])(
    '%j is none',
    (value) => {
      expect(projectService(value as unknown as Service)).toBeUndefined();
      expect(projectEndpointSlice(value as unknown as EndpointSlice, 'here')).toBeUndefined();
    },
  );

  test.each([{ metadata: { namespace: 'shop', name: 'A b' } }, { spec: null }, { spec: { clusterIP: 7 } }])(
    '%j is none either',
    (parts) => {
      expect(wild(parts)).toBeUndefined();
    },
  );

  test.each([
    [{ externalIPs: ['127.0.0.1', '0.0.0.0', '224.0.0.1', '255.255.255.255', '::', '::1', 'ff02::1'] }, 6],
    [{ externalIPs: ['', ' '], loadBalancerSourceRanges: [''] }, 0],
    [{ externalIPs: 'x', ports: 7, loadBalancerSourceRanges: {} }, 0],
    [{ ports: [null, 7, { port: '80' }, { port: 80, nodePort: -1 }, { name: 'A B', port: 80 }] }, 5],
    [{ sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 86_401 } } }, 1],
  ])('%j: the rest is kept, and what is wrong is told', (spec, problems) => {
    const info = wild({ spec: { ...sound.spec, ...spec } }) as ServiceInfo;
    expect(info.clusterIps).toHaveLength(1);
    expect(info.problems, info.problems.join('; ')).toHaveLength(problems);
  });

  test('addresses are read as older Kubernetes stored them', () => {
    const spec = { externalIPs: ['192.000.002.010'], loadBalancerSourceRanges: [' 010.1.2.3/8 '] };
    const info = project(service('a', spec));
    expect(info.externalIps.map(formatAddress)).toEqual(['192.0.2.10']);
    expect(info.sourceRanges?.map(formatCidr)).toEqual(['10.0.0.0/8']);
    expect(info.problems).toEqual([]);
  });
});

describe('ports of one name, which the API server refuses', () => {
  const names = (...ports: object[]): string[] =>
    [...modelOf([service('s', { ports: ports as never })])].map(
      ({ name, frontends }) => `${name} ${frontends.map(({ port }) => port)}`,
    );

  test('the last counts', () => {
    expect(names({ name: 'a', port: 80 }, { name: 'a', port: 81 })).toEqual(['shop/s:a 81']);
  });

  test('protocols tell them apart', () => {
    const ports = ['TCP', 'UDP', 'SCTP'].map((protocol) => ({ port: 53, protocol }));
    expect(names(...ports)).toEqual(['shop/s 53', 'shop/s/UDP 53', 'shop/s/SCTP 53']);
  });
});

describe('source ranges', () => {
  const balanced = (ranges: readonly string[], addresses: readonly string[] = []): string[] | undefined => {
    const model = new ServiceModel(4, { addresses: addresses.map((text) => parseIp(text) as Ip) });
    const one = service(
      'a',
      { type: 'LoadBalancer', loadBalancerSourceRanges: ranges },
      { status: { loadBalancer: { ingress: [{ ip: '203.0.113.1' }] } } },
    );
    model.setService('shop/a', project(one));
    model.take();
    return model.get('shop/a')?.sourceRanges?.map(formatCidr);
  };

  test.each([
    [[], undefined],
    [['192.0.2.0/24'], ['192.0.2.0/24']],
    [['192.0.2.0/24', '0.0.0.0/0'], undefined],
    [['2001:db8::/32'], undefined],
    [['2001:db8::/32', 'nonsense'], []],
  ])('%j allow %j', (ranges, allowed) => {
    expect(balanced(ranges)).toEqual(allowed);
  });

  test('with the node allow the balancer itself', () => {
    expect(balanced(['192.0.2.0/24'], ['192.0.2.7'])).toEqual(['192.0.2.0/24', '203.0.113.1/32']);
    expect(balanced(['192.0.2.0/24'], ['198.51.100.7'])).toEqual(['192.0.2.0/24']);
  });
});

describe('a change', () => {
  const endpoints = (...last: number[]): NonNullable<EndpointSlice['endpoints']> =>
    last.map((one) => ({ addresses: [`10.244.0.${one}`] }));
  const many = Array.from({ length: 20 }, (_, index) => index + 1);
  const tell = (model: ServiceModel, ...last: number[]): ReadonlySet<string> => {
    model.setSlice('shop/s', projectEndpointSlice(slice('s', 'a', ...endpoints(...last)), 'here'));
    return model.take().ports;
  };

  test('that makes no difference is not told, and leaves the port as it is', () => {
    const model = modelOf([service('a', {})], [slice('s', 'a', ...endpoints(...many))]);
    const before = model.get('shop/a');
    expect([...tell(model, ...many)]).toEqual([]);
    model.setService('shop/a', project(service('a', { selector: { app: 'x' } } as object)));
    expect([...model.take().ports]).toEqual([]);
    expect(model.get('shop/a')).toBe(before);
  });

  test.each([
    ['one less', many.filter((one) => one !== 7)],
    ['one more', [...many, 99]],
    ['another', many.map((one) => (one === 7 ? 99 : one))],
    ['none', []],
  ])('%s keeps what it does not concern', (_, last) => {
    const model = modelOf([service('a', {})], [slice('s', 'a', ...endpoints(...many))]);
    const before = model.get('shop/a');
    expect([...tell(model, ...last)]).toEqual(['shop/a']);
    const after = model.get('shop/a');
    expect(after?.endpoints.map(formatEndpoint)).toEqual(last.map((one) => `10.244.0.${one}:8080`));
    expect(after?.frontends).toBe(before?.frontends);
    expect(after?.localEndpoints).toBe(before?.localEndpoints);
  });

  test('of the zone concerns those with hints only', () => {
    const zoned = { hints: { forZones: [{ name: 'z1' }] } };
    const model = modelOf(
      [service('a', {}), service('b', { clusterIP: '10.96.0.2' })],
      [
        slice('s', 'a', { addresses: ['10.244.0.1'], ...zoned }, { addresses: ['10.244.0.2'], ...zoned }),
        slice('t', 'b', { addresses: ['10.244.0.3'] }),
      ],
    );
    model.setNode({ zone: 'z1', addresses: [] });
    const { services, ports } = model.take();
    expect([[...services], [...ports]]).toEqual([['shop/a'], []]);
  });

  test('of a slice that goes to another Service tells both', () => {
    const services = [service('a', {}), service('b', { clusterIP: '10.96.0.2' })];
    const model = modelOf(services, [slice('s', 'a', ...endpoints(1))]);
    model.setSlice('shop/s', projectEndpointSlice(slice('s', 'b', ...endpoints(1)), 'here'));
    expect([...model.take().ports].sort()).toEqual(['shop/a', 'shop/b']);
    expect(model.get('shop/b')?.endpoints.map(formatEndpoint)).toEqual(['10.244.0.1:8080']);
  });

  test('of a Service of the other family costs nothing', () => {
    const model = new ServiceModel(6);
    model.setService('shop/a', project(service('a', {})));
    expect(model.hasChanges).toBe(false);
  });
});

test('what endpoints have in common is kept once', () => {
  const shared = new SharedValues();
  const one = { addresses: ['10.244.0.1'], nodeName: 'n', zone: 'z', hints: { forZones: [{ name: 'z' }] } };
  const [a, b] = ['s', 't'].map((name) => projectEndpointSlice(slice(name, 'a', one), 'here', shared));
  expect(a?.places[0]).toBe(b?.places[0]);
  expect(a?.zones?.[0]).toBe(b?.zones?.[0]);
  expect(projectEndpointSlice(slice('u', 'a', { ...one, zone: 'y' }), 'here', shared)?.places).toEqual([
    { node: 'n', zone: 'y' },
  ]);
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
