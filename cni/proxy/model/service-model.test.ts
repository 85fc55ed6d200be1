import { describe, expect, test } from 'vitest';
import { formatCidr } from '../../../shared/ip/cidr.ts';
import { type Ip, parseIp } from '../../../shared/ip/ip.ts';
import type { EndpointSlice, Service } from '../../../shared/kube/types.ts';
import { modelOf, project, service, slice } from '../testing/objects.ts';
import { formatEndpoint } from './endpoint.ts';
import { projectEndpointSlice } from './endpoint-slice.ts';
import { ServiceModel } from './service-model.ts';

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
      '203.0.113.1:80 (external-ip) is served for shop/z-old, which claimed it first',
    ]);
    expect(model.problems('shop/z-old')).toEqual([]);
  });

  test('goes to the next when it is given up, and both are told of', () => {
    const model = modelOf([old, young]);
    model.setService('shop/z-old', undefined);
    expect([...model.take().ports].sort()).toEqual(['shop/a-young', 'shop/z-old']);
    expect(external(model, 'shop/a-young')).toBe(1);
  });

  test('of three goes to the second, and the third is told of who has it then', () => {
    const third = claiming('b-third', '2026-01-03T00:00:00Z', '10.96.0.3');
    const model = modelOf([third, young, old]);
    const told = (): readonly string[] => model.problems('shop/b-third');
    expect(told()).toEqual(['203.0.113.1:80 (external-ip) is served for shop/z-old, which claimed it first']);
    model.setService('shop/z-old', undefined);
    expect(model.take().services).toContain('shop/b-third');
    expect(told()).toEqual([
      '203.0.113.1:80 (external-ip) is served for shop/a-young, which claimed it first',
    ]);
    model.setService('shop/z-old', project(old));
    expect(model.take().services).toContain('shop/b-third');
    expect(told()).toEqual(['203.0.113.1:80 (external-ip) is served for shop/z-old, which claimed it first']);
  });

  test('three ports of one Service: the first by name, and no end of it', () => {
    const ports = ['c', 'a', 'b'].map((name) => ({ name, port: 80 }));
    const model = modelOf([service('s', { ports })]);
    const counts = ['a', 'b', 'c'].map((name) => model.get(`shop/s:${name}`)?.frontends.length);
    expect(counts).toEqual([1, 0, 0]);
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
    expect(balanced(['192.0.2.0/24'], ['2001:db8::7', '198.51.100.7', '192.0.2.7'])).toEqual([
      '192.0.2.0/24',
    ]);
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

  test.each([[['s', 't']], [['t', 's']]])(
    'leaves endpoints in the order of the slices’ names: %j',
    (names) => {
      const last = { s: 1, t: 2 } as Readonly<Record<string, number>>;
      const slices = names.map((name) => slice(name, 'a', ...endpoints(last[name] ?? 0)));
      const order = modelOf([service('a', {})], slices)
        .get('shop/a')
        ?.endpoints.map(formatEndpoint);
      expect(order).toEqual(['10.244.0.1:8080', '10.244.0.2:8080']);
    },
  );

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

describe('of the same endpoint in two slices is believed', () => {
  const at = { addresses: ['10.244.0.1'] };
  const ending = { ...at, nodeName: 'here', conditions: { ready: true, terminating: true } };
  const notReady = { ...at, nodeName: 'here', conditions: { ready: false } };
  const ready = { ...at, nodeName: 'there' };
  const local = { ...at, nodeName: 'here' };
  const chosen = (...two: [object, object]): number[] => {
    const slices = two.map((one, index) => slice(`${index}`, 'a', one as never));
    const port = modelOf([service('a', {})], slices).get('shop/a');
    return [port?.endpoints.length ?? 0, port?.localEndpoints.length ?? 0];
  };

  test.each([
    ['who is not ending', ending, ready, [1, 0]],
    ['who is not ending, even if not ready', ending, notReady, [0, 0]],
    ['who is ready', notReady, ready, [1, 0]],
    ['who is here', ready, local, [1, 1]],
  ])('%s', (_, a, b, expected) => {
    expect(chosen(a, b)).toEqual(expected);
    expect(chosen(b, a)).toEqual(expected);
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
  // What is to be let in is of every port, and told when it is another one.
  expect(model.get('shop/a:b')?.healthCheckPort).toBe(31_000);
  model.take();
  model.setService('shop/a', project(service('a', { ...spec, healthCheckNodePort: 31_001 })));
  expect([...model.take().ports].sort()).toEqual(['shop/a', 'shop/a:b']);
  expect(model.get('shop/a')?.healthCheckPort).toBe(31_001);
});
