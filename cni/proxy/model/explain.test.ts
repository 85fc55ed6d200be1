import { describe, expect, test } from 'vitest';
import type { EndpointSlice, Service } from '../../../shared/kube/types.ts';
import { project, service, slice } from '../testing/objects.ts';
import { projectEndpointSlice } from './endpoint-slice.ts';
import { explainPort, type PortExplained } from './explain.ts';
import { ServiceModel } from './service-model.ts';

type Endpoints = NonNullable<EndpointSlice['endpoints']>;

/** Of the port that a Service has, on the node `here` in zone z1. */
function explained(spec: Service['spec'], ...endpoints: Endpoints): PortExplained {
  const model = new ServiceModel(4, { zone: 'z1', addresses: [] });
  // An older one, whose address is claimed already.
  model.setService('shop/0', project(service('0', { clusterIP: '10.96.0.99' })));
  model.setService('shop/a', project(service('a', spec)));
  model.setSlice('shop/s', projectEndpointSlice(slice('s', 'a', ...endpoints), 'here'));
  model.take();
  const port = model.get('shop/a');
  if (!port) throw new Error('it has no port');
  const circumstances = { zone: 'z1', masqueradeAll: false, detectsLocal: true };
  return explainPort(port, model.candidates('shop/a'), circumstances);
}

/** Of each endpoint: who it serves, or why it does not. */
function reasons(spec: Service['spec'], ...endpoints: Endpoints): string[] {
  return explained(spec, ...endpoints).endpoints.map(({ used, usedLocally, why }) =>
    [used && 'everybody', usedLocally && 'what stays here', why].filter(Boolean).join(', '),
  );
}

const here = { addresses: ['10.244.0.1'], nodeName: 'here' };
const there = { addresses: ['10.244.0.2'], nodeName: 'there', zone: 'z2' };
const notReady = { addresses: ['10.244.0.3'], conditions: { ready: false } };
const ending = { addresses: ['10.244.0.4'], conditions: { ready: false, terminating: true } };
const gone = { addresses: ['10.244.0.5'], conditions: { ready: false, serving: false, terminating: true } };
const zoned = <T>(endpoint: T, ...zones: string[]): T => ({
  ...endpoint,
  hints: { forZones: zones.map((name) => ({ name })) },
});
const noded = <T>(endpoint: T, ...nodes: string[]): T => ({
  ...endpoint,
  hints: { forNodes: nodes.map((name) => ({ name })) },
});

const local = { internalTrafficPolicy: 'Local' };

test.each<[string, Service['spec'], Endpoints, string[]]>([
  [
    'readiness',
    {},
    [here, notReady, ending, gone],
    [
      'everybody',
      'not ready',
      'ending: it serves new connections only if no other is ready',
      'ending, and does not serve any more',
    ],
  ],
  ['the last resort', {}, [notReady, ending], ['not ready', 'everybody']],
  [
    'hints by zone',
    {},
    [zoned(here, 'z1'), zoned(there, 'z2', 'z3')],
    ['everybody', 'its hints name z2, z3, this node is in z1'],
  ],
  [
    'hints by node',
    {},
    [noded(here, 'here'), noded(there, 'there')],
    ['everybody', 'its hints name other nodes'],
  ],
  ['half of the hints', {}, [zoned(here, 'z1'), there], ['everybody', 'everybody']],
  ['half of the hints by node', {}, [noded(here, 'here'), there], ['everybody', 'everybody']],
  ['a hint for nobody here', {}, [zoned(here, 'z2'), zoned(there, 'z3')], ['everybody', 'everybody']],
  [
    'who is ready, whether others have hints or not,',
    {},
    [zoned(here, 'z1'), zoned(there, 'z2'), notReady],
    ['everybody', 'its hints name z2, this node is in z1', 'not ready'],
  ],
  [
    'internalTrafficPolicy',
    local,
    [here, there],
    ['what stays here', 'on another node, and only what is on this one counts'],
  ],
  [
    'externalTrafficPolicy',
    { type: 'NodePort', externalTrafficPolicy: 'Local', externalIPs: ['203.0.113.1'] },
    [here, there],
    ['everybody, what stays here', 'everybody'],
  ],
  [
    'a frontend that is another one’s',
    { clusterIP: '10.96.0.99' },
    [here],
    ['nothing leads here: all frontends are served for others'],
  ],
])('%s decides', (_, spec, endpoints, expected) => {
  expect(reasons(spec, ...endpoints)).toEqual(expected);
});

describe('what is said', () => {
  test('of an endpoint: where it is, and its state', () => {
    const { endpoints } = explained({}, here, there, ending, notReady);
    expect(endpoints.map(({ used, usedLocally, why, ...rest }) => rest)).toEqual([
      { endpoint: '10.244.0.1:8080', here: true, node: 'here', state: 'ready' },
      { endpoint: '10.244.0.2:8080', here: false, node: 'there', zone: 'z2', state: 'ready' },
      { endpoint: '10.244.0.4:8080', here: false, state: 'ending, serves until then' },
      { endpoint: '10.244.0.3:8080', here: false, state: 'not ready' },
    ]);
  });

  test('of a frontend: where it is, and what becomes of a packet', () => {
    const spec = { ...local, type: 'NodePort', ports: [{ port: 80, nodePort: 30_080 }] };
    expect(explained(spec, here).frontends).toEqual([
      { kind: 'cluster-ip', at: '10.96.0.1:80', treatment: { to: 'local', masquerade: 'from-outside' } },
      { kind: 'node-port', at: '*:30080', treatment: { to: 'cluster', masquerade: 'always' } },
    ]);
  });
});
