/** Service ports and what becomes of them, for property tests: few addresses, so that they meet. */

import fc from 'fast-check';
import type { Cidr } from '../../../shared/ip/cidr.ts';
import { type Address, type Endpoint, endpointOf } from '../model/endpoint.ts';
import type { Frontend, Protocol, ServicePort } from '../model/service-port.ts';
import type { Probe } from './oracle.ts';
import { address, cidr } from './ports.ts';

export const NODE: Address = address('172.16.0.1');
export const OTHER_NODE_ADDRESS: Address = address('172.17.0.1');
export const LOOPBACK: Address = address('127.0.0.1');
export const NODE_ADDRESSES: readonly Address[] = [NODE, OTHER_NODE_ADDRESS, LOOPBACK];

const CLUSTER_IPS = ['10.96.0.1', '10.96.0.2'].map(address);
const EXTERNAL_IPS = ['192.0.2.1', '192.0.2.2'].map(address);
const PORTS = [80, 443];
const NODE_PORTS = [30_080, 30_443];
const NAMES = ['a/web:http', 'a/web:https', 'b/dns', 'b/empty:p'];
const LOCAL = ['10.244.1.1', '10.244.1.2', '10.244.1.3'].map((text) => endpointOf(address(text), 8080));
const REMOTE = ['10.244.2.1', '10.244.2.2', '10.244.3.1'].map((text) => endpointOf(address(text), 8080));
export const SOURCES: readonly Cidr[] = ['198.51.100.0/24', '10.244.0.0/16', '172.16.0.0/12'].map(cidr);

const frontend: fc.Arbitrary<Frontend> = fc.oneof(
  fc.record({
    kind: fc.constant('cluster-ip' as const),
    address: fc.constantFrom(...CLUSTER_IPS),
    port: fc.constantFrom(...PORTS),
    policy: fc.constantFrom('cluster' as const, 'local' as const),
  }),
  fc.record({
    kind: fc.constantFrom('external-ip' as const, 'load-balancer' as const),
    address: fc.constantFrom(...EXTERNAL_IPS),
    port: fc.constantFrom(...PORTS),
    policy: fc.constantFrom('cluster' as const, 'local' as const),
  }),
  fc.record({
    kind: fc.constant('node-port' as const),
    port: fc.constantFrom(...NODE_PORTS),
    policy: fc.constantFrom('cluster' as const, 'local' as const),
  }),
);

const protocol: fc.Arbitrary<Protocol> = fc.constantFrom('TCP', 'UDP');

/** A port as the model makes them: where a local endpoint is, there are endpoints, and local ones are among them. */
const servicePort: fc.Arbitrary<ServicePort> = fc
  .record({
    name: fc.constantFrom(...NAMES),
    protocol,
    frontends: fc.array(frontend, { maxLength: 4 }),
    local: fc.subarray(LOCAL),
    remote: fc.subarray(REMOTE),
    order: fc.boolean(),
    affinity: fc.option(fc.constant(10_800), { nil: undefined, freq: 4 }),
    sourceRanges: fc.option(fc.subarray([...SOURCES]), { nil: undefined, freq: 4 }),
  })
  .map(({ name, local, remote, order, affinity, sourceRanges, ...rest }) => ({
    ...rest,
    name,
    service: name.split(':')[0] ?? '',
    endpoints: order ? [...local, ...remote] : [...remote, ...local],
    localEndpoints: local as readonly Endpoint[],
    ...(affinity !== undefined && { affinity }),
    ...(sourceRanges !== undefined && { sourceRanges }),
  }));

/** What happens between two calls: ports that are set, names that go. */
export interface Turn {
  readonly set: readonly ServicePort[];
  readonly gone: readonly string[];
  /** Milliseconds until the next turn. */
  readonly pause: number;
}

export const turn: fc.Arbitrary<Turn> = fc.record({
  set: fc.array(servicePort, { maxLength: 3 }),
  gone: fc.subarray(NAMES, { maxLength: 2 }),
  pause: fc.constantFrom(0, 10, 400, 700, 1500),
});

/** One service whose endpoints come and go, as in a rolling update. */
export const rollout: fc.Arbitrary<Turn[]> = fc
  .tuple(
    fc.option(fc.constant(10_800), { nil: undefined, freq: 3 }),
    fc.array(
      fc.record({
        local: fc.subarray(LOCAL),
        remote: fc.subarray(REMOTE),
        pause: fc.constantFrom(0, 400, 1500),
      }),
      { minLength: 2, maxLength: 5 },
    ),
  )
  .map(([affinity, steps]) =>
    steps.map(({ local, remote, pause }) => ({ set: [rolling(local, remote, affinity)], gone: [], pause })),
  );

function rolling(
  local: readonly Endpoint[],
  remote: readonly Endpoint[],
  affinity: number | undefined,
): ServicePort {
  return {
    name: 'a/web:http',
    service: 'a/web',
    protocol: 'TCP',
    frontends: [
      { kind: 'cluster-ip', address: address('10.96.0.1'), port: 80, policy: 'cluster' },
      { kind: 'load-balancer', address: address('192.0.2.1'), port: 80, policy: 'local' },
      { kind: 'node-port', port: 30_080, policy: 'cluster' },
    ],
    endpoints: [...local, ...remote],
    localEndpoints: local,
    ...(affinity !== undefined && { affinity }),
  };
}

/** Leaves each frontend to the first port that has it, as the model does. */
export function withoutConflicts(ports: Iterable<ServicePort>): ServicePort[] {
  const taken = new Set<string>();
  return [...ports].map((one) => ({
    ...one,
    frontends: one.frontends.filter((own) => {
      const key = `${own.address ?? ''} ${one.protocol} ${own.port}`;
      if (taken.has(key)) return false;
      taken.add(key);
      return true;
    }),
  }));
}

const SENDERS: readonly Pick<Probe, 'from' | 'source'>[] = [
  { from: 'pod', source: address('10.244.1.50') },
  { from: 'pod', source: address('10.244.1.1') },
  { from: 'outside', source: address('198.51.100.7') },
  { from: 'outside', source: address('203.0.113.7') },
  { from: 'node', source: NODE },
];

/** A packet of everybody to everything. */
export const PROBES: readonly Probe[] = SENDERS.flatMap((sender) =>
  (['TCP', 'UDP'] as const).flatMap((protocol) => [
    ...[...CLUSTER_IPS, ...EXTERNAL_IPS, address('10.96.0.77')].flatMap((target) =>
      PORTS.map((port) => ({ ...sender, protocol, target, port })),
    ),
    ...NODE_ADDRESSES.filter((target) => target !== LOOPBACK || sender.from === 'node').flatMap((target) =>
      NODE_PORTS.map((port) => ({ ...sender, protocol, target, port })),
    ),
  ]),
);
