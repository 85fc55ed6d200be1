import { describe, expect, test } from 'vitest';
import { formatCidr } from '../../../shared/ip/cidr.ts';
import type { EndpointSlice, Service } from '../../../shared/kube/types.ts';
import { project, service, slice } from '../testing/objects.ts';
import { formatAddress } from './endpoint.ts';
import { LOCAL, projectEndpointSlice, READY, SERVING, TERMINATING } from './endpoint-slice.ts';
import { projectService, type ServiceInfo } from './service.ts';
import { SharedValues } from './shared-values.ts';

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
    [{ externalIPs: ['127.0.0.1', '0.0.0.0', '224.0.0.1', '255.255.255.255'] }, 4],
    [{ externalIPs: ['::', '::1', 'ff02::1', '::ffff:127.0.0.1'] }, 4],
    [{ externalIPs: new Array(50).fill('x') }, 6],
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
