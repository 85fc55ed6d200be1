/** Services for the benchmarks of the proxy's modes. */

import type { ModeSettings, ServicePorts } from '../../cni/proxy/mode.ts';
import { type Address, endpointOf } from '../../cni/proxy/model/endpoint.ts';
import type { ServicePort, ServicePortName } from '../../cni/proxy/model/service-port.ts';
import { parseCidr } from '../../shared/ip/cidr.ts';

/** One port of a service with one ClusterIP. */
export function servicePort(
  number: number,
  endpoints: number,
  shift: number,
  more: Partial<ServicePort> = {},
): ServicePort {
  const all = Array.from({ length: endpoints }, (_, at) => {
    const pod = number * endpoints + at + shift;
    return endpointOf(quad(10, 128 + ((pod >>> 16) & 0x7f), (pod >>> 8) & 0xff, pod & 0xff), 8080);
  });
  return {
    name: `bench/s${number}:http`,
    service: `bench/s${number}`,
    protocol: 'TCP',
    frontends: [
      {
        kind: 'cluster-ip',
        address: quad(10, 96 + (number >>> 16), (number >>> 8) & 0xff, number & 0xff),
        port: 80,
        policy: 'cluster',
      },
    ],
    endpoints: all,
    localEndpoints: [],
    ...more,
  };
}

function quad(...bytes: readonly [number, number, number, number]): Address {
  return String.fromCharCode(...bytes) as Address;
}

export class Services implements ServicePorts {
  readonly #ports = new Map<ServicePortName, ServicePort>();

  constructor(ports: Iterable<ServicePort>) {
    for (const port of ports) this.set(port);
  }

  get size(): number {
    return this.#ports.size;
  }

  get(name: ServicePortName): ServicePort | undefined {
    return this.#ports.get(name);
  }

  set(port: ServicePort): void {
    this.#ports.set(port.name, port);
  }

  [Symbol.iterator](): Iterator<ServicePort> {
    return this.#ports.values();
  }
}

export function services(count: number, endpoints: number, affinities = 0): Services {
  return new Services(
    Array.from({ length: count }, (_, at) =>
      servicePort(at, endpoints, 0, at < affinities ? { affinity: 10_800 } : {}),
    ),
  );
}

/** A load balancer's address of a service, and networks that may use it. @param ranges how many */
export function guarded(number: number, endpoints: number, shift: number, ranges: number): ServicePort {
  const { frontends, ...rest } = servicePort(number, endpoints, shift);
  const address = quad(203, number >>> 16, (number >>> 8) & 0xff, number & 0xff);
  return {
    ...rest,
    frontends: [...frontends, { kind: 'load-balancer', address, port: 80, policy: 'cluster' }],
    sourceRanges: [parseCidr('192.0.2.0/24') ?? never(), parseCidr('198.51.100.0/24') ?? never()].slice(
      0,
      ranges,
    ),
  };
}

/** What the modes are made with. */
export const benchSettings: ModeSettings = {
  family: 4,
  masqueradeBit: 14,
  masqueradeAll: false,
  localDetector: { by: 'source', networks: [parseCidr('10.128.0.0/9') ?? never()] },
  nodePortAddresses: 'all',
  serviceCidrs: [parseCidr('10.96.0.0/12') ?? never()],
};

function never(): never {
  throw new Error('not a network');
}

/** Milliseconds. */
export async function timed(action: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await action();
  return performance.now() - start;
}
