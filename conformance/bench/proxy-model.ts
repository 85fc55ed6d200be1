/**
 * What is between the API's objects and a mode of the service proxy, alone: objects read and kept, service ports worked out
 * from them, and one change. As the proxy does it: one model for each family.
 */

import { projectEndpointSlice, type SliceInfo } from '../../cni/proxy/model/endpoint-slice.ts';
import { projectService, type ServiceInfo } from '../../cni/proxy/model/service.ts';
import { ServiceModel } from '../../cni/proxy/model/service-model.ts';
import { SharedValues } from '../../cni/proxy/model/shared-values.ts';
import type { EndpointSlice, Service } from '../../shared/kube/types.ts';
import { type Figure, median } from './figure.ts';

interface Size {
  readonly services: number;
  /** Of each. */
  readonly endpoints: number;
  /** Milliseconds for all of them, from parsed objects. */
  readonly budget: number;
  /** MB of the heap that the model takes, what it keeps of the objects included. */
  readonly heap: number;
}

/** The proxy has 0.5 s for the first size and 3 s for the second, the kernel's part included. */
const SIZES: readonly Size[] = [
  { services: 10_000, endpoints: 2, budget: 300, heap: 30 },
  { services: 5000, endpoints: 50, budget: 1500, heap: 50 },
];
/** Of the 5 ms from an event to the kernel. */
const CHANGE_BUDGET = 1;
const NODES = 500;
const CHANGES = 300;

export function benchProxyModel(rounds: number): Figure[] {
  return SIZES.flatMap((size) => {
    const all: number[] = [];
    const heap: number[] = [];
    const changes: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const inputs = Array.from({ length: size.services }, (_, index) => [
        service(index),
        slice(index, size.endpoints),
      ]) as [Service, EndpointSlice][];
      const before = heapSize();
      const start = performance.now();
      const proxy = new Models();
      for (const [index, [one, endpoints]] of inputs.entries()) proxy.set(index, one, endpoints);
      proxy.take();
      all.push(performance.now() - start);
      heap.push((heapSize() - before) / 1e6);
      for (let index = 0; index < CHANGES; index += 1) {
        const changed = slice(index, size.endpoints - 1);
        const from = performance.now();
        proxy.set(index, undefined, changed);
        proxy.take();
        changes.push(performance.now() - from);
      }
      proxy.check(size.services);
    }
    const name = `proxy model: ${size.services} services × ${size.endpoints}`;
    return [
      { name: `${name}, all`, ours: median(all), budget: size.budget, rounds },
      { name: `${name}, heap`, ours: median(heap), budget: size.heap, unit: 'MB', rounds },
      { name: `${name}, one change`, ours: median(changes), budget: CHANGE_BUDGET, rounds: changes.length },
    ];
  });
}

class Models {
  readonly #families = [new ServiceModel(4), new ServiceModel(6)];
  readonly #shared = new SharedValues();
  readonly #kept = new Map<number, [ServiceInfo | undefined, SliceInfo | undefined]>();

  set(index: number, one: Service | undefined, endpoints: EndpointSlice): void {
    const info = one && projectService(one);
    const kept = projectEndpointSlice(endpoints, 'node-7', this.#shared);
    this.#kept.set(index, [info, kept]);
    for (const model of this.#families) {
      if (info) model.setService(info.key, info);
      model.setSlice(`bench/service-${index}-x7k2p`, kept);
    }
  }

  take(): void {
    for (const model of this.#families) model.take();
  }

  /** @throws Error where it is not what was asked for */
  check(services: number): void {
    const count = this.#families[0]?.size;
    if (count !== services) throw new Error(`${count} service ports of ${services} services`);
  }
}

function heapSize(): number {
  Bun.gc(true);
  return process.memoryUsage().heapUsed;
}

/** As they come from the API server: parsed, so that no text is shared with another object. */
function service(index: number): Service {
  const address = `10.96.${index >> 8}.${index & 255}`;
  return parsed({
    metadata: {
      namespace: 'bench',
      name: `service-${index}`,
      uid: `5c9a1c1e-${index}`,
      creationTimestamp: '2026-01-02T03:04:05Z',
    },
    spec: {
      type: 'ClusterIP',
      clusterIP: address,
      clusterIPs: [address],
      ports: [{ name: 'http', protocol: 'TCP', port: 80, targetPort: 8080 }],
      sessionAffinity: 'None',
      internalTrafficPolicy: 'Cluster',
    },
    status: { loadBalancer: {} },
  });
}

function slice(index: number, endpoints: number): EndpointSlice {
  const name = `service-${index}`;
  return parsed({
    metadata: { namespace: 'bench', name: `${name}-x7k2p`, labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
    endpoints: Array.from({ length: endpoints }, (_, at) => {
      const number = index * 64 + at;
      return {
        addresses: [`10.${100 + (number >> 16)}.${(number >> 8) & 255}.${number & 255}`],
        conditions: { ready: true, serving: true, terminating: false },
        nodeName: `node-${number % NODES}`,
        zone: `zone-${number % 3}`,
      };
    }),
  });
}

function parsed<T>(object: unknown): T {
  return JSON.parse(JSON.stringify(object)) as T;
}
