/** The model against the oracle, and against itself built anew. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { frontendKey } from '../../cni/proxy/model/claims.ts';
import { type Endpoint, type Family, formatEndpoint, parseAddress } from '../../cni/proxy/model/endpoint.ts';
import { projectEndpointSlice } from '../../cni/proxy/model/endpoint-slice.ts';
import { projectService } from '../../cni/proxy/model/service.ts';
import { ServiceModel } from '../../cni/proxy/model/service-model.ts';
import {
  type Frontend,
  type Protocol,
  type ServicePort,
  treatmentOf,
} from '../../cni/proxy/model/service-port.ts';
import { contains } from '../../shared/ip/cidr.ts';
import { type Ip, parseIp } from '../../shared/ip/ip.ts';
import { type Cluster, type Fate, fateOf, type Packet } from './oracle.ts';
import {
  CLUSTER_IPS,
  type ClusterEvent,
  clusterEvent,
  EXTERNAL,
  NODE_PORTS,
  objectsAfter,
  PORTS,
} from './random-cluster.ts';

const NODE_ADDRESS = '192.0.2.1';
const place = (zone: string | undefined): { zone?: string; addresses: Ip[] } => ({
  ...(zone !== undefined && { zone }),
  addresses: [parseIp(NODE_ADDRESS) as Ip],
});

function tell(model: ServiceModel, event: ClusterEvent): void {
  if (event.kind === 'service') model.setService(event.key, event.object && projectService(event.object));
  else model.setSlice(event.key, event.object && projectEndpointSlice(event.object, 'here'));
}

/** What the model and `treatmentOf` make of a packet. */
function fateByModel(index: Index, packet: Packet, cluster: Cluster): Fate {
  const found = index.get(keyOf(packet));
  if (!found) return 'pass';
  const { port, frontend } = found;
  const source = parseIp(packet.source) as Ip;
  if (
    frontend.kind === 'load-balancer' &&
    port.sourceRanges &&
    !port.sourceRanges.some((range) => contains(range, source))
  )
    return 'drop';
  const to = (endpoints: readonly Endpoint[]): string[] => endpoints.map(formatEndpoint).sort();
  const treatment = treatmentOf(port, frontend, cluster);
  switch (treatment.to) {
    case 'reject':
    case 'drop':
      return treatment.to;
    case 'by-source':
      if (packet.from === 'pod' && cluster.detectsLocal)
        return { to: to(port.endpoints), masqueraded: false };
      if (packet.from === 'node') return { to: to(port.endpoints), masqueraded: true };
      return port.localEndpoints.length === 0 ? 'drop' : { to: to(port.localEndpoints), masqueraded: false };
    default: {
      const { masquerade } = treatment;
      const masqueraded = masquerade === 'always' || (masquerade === 'from-outside' && packet.from !== 'pod');
      return { to: to(treatment.to === 'local' ? port.localEndpoints : port.endpoints), masqueraded };
    }
  }
}

type Index = ReadonlyMap<string, { readonly port: ServicePort; readonly frontend: Frontend }>;

/** Frontends by what a packet says. */
function indexOf(model: ServiceModel): Index {
  const index = new Map<string, { readonly port: ServicePort; readonly frontend: Frontend }>();
  for (const port of model)
    for (const frontend of port.frontends) {
      const key = frontendKey(port.protocol, frontend);
      expect(index.has(key), `${port.name} and another have a frontend`).toBe(false);
      index.set(key, { port, frontend });
    }
  return index;
}

function keyOf({ destination, protocol, port }: Packet): string {
  const address = destination === 'node' ? undefined : parseAddress(destination);
  return frontendKey(protocol as Protocol, { port, ...(address !== undefined && { address }) });
}

const destinations = [...EXTERNAL, ...CLUSTER_IPS.flat(), 'node'];
const packets: Packet[] = destinations.flatMap((destination) =>
  (destination === 'node' ? NODE_PORTS : PORTS).flatMap((port) =>
    ['TCP', 'UDP', 'SCTP'].flatMap((protocol) =>
      (
        [
          ['pod', '10.244.0.9', 'fd00:244::9'],
          ['node', NODE_ADDRESS, '2001:db8:2::1'],
          ['outside', '198.51.100.7', '2001:db8:3::7'],
          ['outside', '100.64.0.1', 'fc00::1'],
        ] as const
      ).map(([from, v4, v6]) => ({
        from,
        source: destination.includes(':') ? v6 : v4,
        destination,
        protocol,
        port,
      })),
    ),
  ),
);

const cluster = fc.record({
  events: fc.array(clusterEvent, { maxLength: 24 }),
  zone: fc.constantFrom('z1', 'z3', undefined),
  detectsLocal: fc.boolean(),
  masqueradeAll: fc.boolean(),
});

describe.each([4, 6] as const)('the model of IPv%s', (family: Family) => {
  test('agrees with the oracle about every packet', () => {
    fc.assert(
      fc.property(cluster, ({ events, zone, ...settings }) => {
        const model = new ServiceModel(family, place(zone));
        for (const event of events) tell(model, event);
        model.take();
        const { services, slices } = objectsAfter(events);
        const whole: Cluster = {
          ...settings,
          ...(zone !== undefined && { zone }),
          services: [...services.values()],
          slices: [...slices.values()],
          node: 'here',
          nodeAddress: NODE_ADDRESS,
        };
        const index = indexOf(model);
        for (const packet of packets) {
          if (
            packet.destination === 'node' ? family === 6 : packet.destination.includes(':') !== (family === 6)
          )
            continue;
          const [byModel, byOracle] = [fateByModel(index, packet, whole), fateOf(packet, whole)];
          // Tens of thousands of times: to say what it is about costs more than to compare.
          if (!Bun.deepEquals(byModel, byOracle)) expect(byModel, JSON.stringify(packet)).toEqual(byOracle);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('is the same however it came about, and tells every port that is different', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(clusterEvent, fc.boolean()), { maxLength: 30 }),
        fc.constantFrom('z1', undefined),
        (steps, zone) => {
          const model = new ServiceModel(family);
          let before = snapshot(model);
          const told: ClusterEvent[] = [];
          // As kept by somebody who asks again only about what was looked at.
          const problems = new Map<string, readonly string[]>();
          const take = (): ReadonlySet<string> => {
            const { ports, services: looked } = model.take();
            for (const key of looked) problems.set(key, model.problems(key));
            return ports;
          };
          for (const [event, takes] of steps) {
            tell(model, event);
            told.push(event);
            if (!takes) continue;
            const ports = take();
            const after = snapshot(model);
            expect([...ports].sort()).toEqual(different(before, after));
            before = after;
          }
          model.setNode(place(zone));
          take();
          const anew = new ServiceModel(family, place(zone));
          const { services, slices } = objectsAfter(told);
          for (const [key, object] of slices) tell(anew, { kind: 'slice', key, object });
          for (const [key, object] of services) tell(anew, { kind: 'service', key, object });
          anew.take();
          expect(sorted(model)).toEqual(sorted(anew));
          for (const key of services.keys()) expect(problems.get(key) ?? [], key).toEqual(anew.problems(key));
        },
      ),
      { numRuns: 300 },
    );
  });
});

function snapshot(model: ServiceModel): Map<string, string> {
  return new Map([...model].map((port) => [port.name, text(port)]));
}

function text(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => (typeof inner === 'bigint' ? String(inner) : inner));
}

function different(a: Map<string, string>, b: Map<string, string>): string[] {
  return [...new Set([...a.keys(), ...b.keys()])].filter((name) => a.get(name) !== b.get(name)).sort();
}

function sorted(model: ServiceModel): unknown {
  return [...model].sort((a, b) => (a.name < b.name ? -1 : 1));
}
