/**
 * Health checks of load balancers: for each Service of type LoadBalancer with externalTrafficPolicy Local, a server on its
 * healthCheckNodePort that says whether this node has an endpoint of it.
 */

import type { Clock } from '../../../shared/daemon/clock.ts';
import { Listener } from '../../../shared/daemon/listener.ts';
import type { Logger } from '../../../shared/log/logger.ts';

export interface ServiceCheck {
  readonly port: number;
  /** Ready endpoints on this node. */
  readonly localEndpoints: number;
}

export interface ServiceChecksOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly isHealthy: () => boolean;
  /** Where to listen: `0.0.0.0` and `::`, or the addresses that node ports are served on. */
  readonly addresses: () => readonly string[];
}

interface Running {
  check: ServiceCheck;
  readonly addresses: string;
  readonly listeners: readonly Listener[];
}

export class ServiceChecks implements Disposable {
  readonly #options: ServiceChecksOptions;
  readonly #running = new Map<string, Running>();

  constructor(options: ServiceChecksOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#running.size;
  }

  /** @param service `namespace/name` @param check `undefined`: it has none (any more) */
  set(service: string, check: ServiceCheck | undefined): void {
    const running = this.#running.get(service);
    const addresses = this.#options.addresses();
    if (check && running?.check.port === check.port && running.addresses === addresses.join()) {
      running.check = check;
      return;
    }
    if (running) {
      for (const listener of running.listeners) listener[Symbol.dispose]();
      this.#running.delete(service);
    }
    if (!check) return;
    const { clock, log } = this.#options;
    const listeners = addresses.map(
      (address) =>
        new Listener({
          clock,
          log,
          what: `health check of service ${service}`,
          address,
          port: check.port,
          answer: () => this.#answer(service),
        }),
    );
    this.#running.set(service, { check, addresses: addresses.join(), listeners });
  }

  [Symbol.dispose](): void {
    for (const { listeners } of this.#running.values())
      for (const listener of listeners) listener[Symbol.dispose]();
    this.#running.clear();
  }

  #answer(service: string): Response {
    const localEndpoints = this.#running.get(service)?.check.localEndpoints ?? 0;
    const serviceProxyHealthy = this.#options.isHealthy();
    const [namespace, name] = service.split('/');
    const body = { service: { namespace, name }, localEndpoints, serviceProxyHealthy };
    return new Response(JSON.stringify(body, undefined, '\t'), {
      status: localEndpoints > 0 && serviceProxyHealthy ? 200 : 503,
      headers: {
        'content-type': 'application/json',
        'x-content-type-options': 'nosniff',
        // kube-proxy 1.30 and later: how much of the traffic this node wants.
        'x-load-balancing-endpoint-weight': String(localEndpoints),
      },
    });
  }
}
