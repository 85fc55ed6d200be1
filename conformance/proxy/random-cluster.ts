/** Small clusters at random, dense enough that services share addresses and endpoints come twice. Pure. */

import fc from 'fast-check';
import type { EndpointSlice, Service } from '../../shared/kube/types.ts';

/** One service's number says its name. */
const serviceNumber = fc.integer({ min: 0, max: 4 });
/** Mostly TCP: what services and slices say has to fit together. */
const protocol = fc.constantFrom(undefined, undefined, 'TCP', 'TCP', 'UDP', 'SCTP');
const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(value, { nil: undefined, freq: 2 });

/** The address that the outside world reaches several services by. */
export const EXTERNAL: readonly string[] = ['203.0.113.1', '203.0.113.2', '2001:db8:1::1'];
export const CLUSTER_IPS: readonly (readonly string[])[] = [
  ['10.96.0.1'],
  ['10.96.0.2', 'fd00:96::2'],
  ['fd00:96::3', '10.96.0.3'],
  ['10.96.0.4'],
  ['10.96.0.5'],
];
export const PORTS: readonly number[] = [53, 80];
export const NODE_PORTS: readonly number[] = [30053, 30080];

const port = (...names: string[]): fc.Arbitrary<object> =>
  fc.record({
    name: fc.constantFrom(...names),
    protocol,
    port: fc.constantFrom(...PORTS),
    nodePort: maybe(fc.constantFrom(...NODE_PORTS)),
  });

const service: fc.Arbitrary<Service> = fc
  .record({
    number: serviceNumber,
    created: maybe(fc.constantFrom('2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z')),
    type: maybe(fc.constantFrom('ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName')),
    headless: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
    ports: fc.tuple(port('a'), maybe(port('a', 'b', 'b', 'b'))).map((ports) => ports.filter(Boolean)),
    externalIPs: fc.subarray([...EXTERNAL]),
    ingress: fc.array(
      fc.record({ ip: fc.constantFrom(...EXTERNAL), ipMode: maybe(fc.constantFrom('VIP', 'Proxy')) }),
      { maxLength: 2 },
    ),
    ranges: maybe(
      fc.subarray([
        '198.51.100.0/24',
        ' 192.0.2.0/24 ',
        '2001:db8::/32',
        'nonsense',
        '10.244.0.0/16',
        '::/0',
      ]),
    ),
    internal: maybe(fc.constantFrom('Local', 'Cluster')),
    external: maybe(fc.constantFrom('Local', 'Cluster')),
    affinity: maybe(fc.constantFrom('ClientIP', 'None')),
  })
  .map(
    (one) =>
      ({
        metadata: {
          namespace: 'n',
          name: `s${one.number}`,
          ...(one.created && { creationTimestamp: one.created }),
        },
        spec: {
          ...(one.type && { type: one.type }),
          clusterIP: one.headless ? 'None' : CLUSTER_IPS[one.number]?.[0],
          clusterIPs: one.headless ? ['None'] : CLUSTER_IPS[one.number],
          ports: one.ports,
          externalIPs: one.externalIPs,
          ...(one.ranges && { loadBalancerSourceRanges: one.ranges }),
          ...(one.internal && { internalTrafficPolicy: one.internal }),
          ...(one.external && { externalTrafficPolicy: one.external }),
          ...(one.affinity && { sessionAffinity: one.affinity }),
        },
        status: { loadBalancer: { ingress: one.ingress } },
      }) as Service,
  );

const someOf = (...names: string[]): fc.Arbitrary<{ name: string }[]> =>
  fc.subarray(names, { minLength: 1 }).map((all) => all.map((name) => ({ name })));
const forZones = someOf('z1', 'z2');
const forNodes = someOf('here', 'there');

/** Of a whole slice, since hints count only where all endpoints have them; sometimes it lacks some. */
const hintsOfSlice: fc.Arbitrary<fc.Arbitrary<object | undefined>> = fc.constantFrom(
  fc.constant(undefined),
  fc.record({ forZones }),
  fc.record({ forNodes }),
  fc.record({ forZones, forNodes }),
  maybe(fc.record({ forZones: maybe(forZones), forNodes: maybe(forNodes) })),
);

const endpoint = (
  addresses: readonly string[],
  hints: fc.Arbitrary<object | undefined>,
): fc.Arbitrary<object> =>
  fc.record({
    addresses: fc.constantFrom(...addresses).map((address) => [address]),
    conditions: maybe(
      fc.record({
        ready: maybe(fc.boolean()),
        serving: maybe(fc.boolean()),
        terminating: maybe(fc.boolean()),
      }),
    ),
    nodeName: maybe(fc.constantFrom('here', 'there')),
    hints,
  });

const ADDRESSES = {
  4: ['10.244.0.1', '10.244.1.1', '10.244.1.2', '10.244.1.3'],
  6: ['fd00:244::1', 'fd00:244:0:1::1', 'fd00:244:0:1::2'],
} as const;

const slice: fc.Arbitrary<EndpointSlice> = fc
  .tuple(fc.constantFrom(4, 6), hintsOfSlice)
  .chain(([family, hints]) =>
    fc
      .record({
        number: fc.integer({ min: 0, max: 7 }),
        service: serviceNumber,
        endpoints: fc.array(endpoint(ADDRESSES[family], hints), { maxLength: 5 }),
        main: fc.record({ name: fc.constant('a'), protocol, port: fc.constant(8080) }),
        ports: fc.array(
          fc.record({
            name: fc.constantFrom('a', 'b', undefined),
            protocol,
            port: fc.constantFrom(8053, 8080, undefined),
          }),
          { maxLength: 2 },
        ),
      })
      .map(
        (one) =>
          ({
            metadata: {
              namespace: 'n',
              name: `e${one.number}`,
              labels: { 'kubernetes.io/service-name': `s${one.service}` },
            },
            addressType: `IPv${family}`,
            endpoints: one.endpoints,
            ports: [one.main, ...one.ports],
          }) as EndpointSlice,
      ),
  );

/** What a source tells; `undefined`: gone. */
export type ClusterEvent =
  | { readonly kind: 'service'; readonly key: string; readonly object?: Service }
  | { readonly kind: 'slice'; readonly key: string; readonly object?: EndpointSlice };

const keyOf = ({ metadata }: Service | EndpointSlice): string => `${metadata.namespace}/${metadata.name}`;

export const clusterEvent: fc.Arbitrary<ClusterEvent> = fc.oneof(
  {
    weight: 4,
    arbitrary: service.map((object) => ({ kind: 'service' as const, key: keyOf(object), object })),
  },
  { weight: 6, arbitrary: slice.map((object) => ({ kind: 'slice' as const, key: keyOf(object), object })) },
  { weight: 1, arbitrary: serviceNumber.map((n) => ({ kind: 'service' as const, key: `n/s${n}` })) },
  {
    weight: 2,
    arbitrary: fc.integer({ min: 0, max: 7 }).map((n) => ({ kind: 'slice' as const, key: `n/e${n}` })),
  },
);

/** What is there after the events. */
export function objectsAfter(events: readonly ClusterEvent[]): {
  readonly services: Map<string, Service>;
  readonly slices: Map<string, EndpointSlice>;
} {
  const services = new Map<string, Service>();
  const slices = new Map<string, EndpointSlice>();
  for (const event of events) {
    if (event.kind === 'service') {
      if (event.object) services.set(event.key, event.object);
      else services.delete(event.key);
    } else if (event.object) slices.set(event.key, event.object);
    else slices.delete(event.key);
  }
  return { services, slices };
}
