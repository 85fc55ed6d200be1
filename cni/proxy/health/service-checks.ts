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
  /** Where to listen: where node ports are served. The kernel may be asked for it. */
  readonly addresses: () => readonly CheckAddress[];
  /** A port that another program has. @param service `namespace/name` */
  readonly onRefused?: (service: string, port: number, why: string) => void;
}

export interface CheckAddress {
  readonly address: string;
  /** Of an unspecified address that is of one family only. */
  readonly family?: 4 | 6;
}

interface Running {
  check: ServiceCheck;
  readonly addresses: readonly CheckAddress[];
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
    if (check && running?.check.port === check.port) {
      running.check = check;
      return;
    }
    this.#stop(service);
    if (check) this.#start(service, check, this.#options.addresses());
  }

  /** The node's addresses may be others now, or where node ports are served. */
  moved(): void {
    if (this.#running.size === 0) return;
    const addresses = this.#options.addresses();
    for (const [service, { check, addresses: before }] of [...this.#running]) {
      if (Bun.deepEquals(before, addresses)) continue;
      this.#stop(service);
      this.#start(service, check, addresses);
    }
  }

  #start(service: string, check: ServiceCheck, addresses: readonly CheckAddress[]): void {
    const { clock, log, onRefused } = this.#options;
    const listeners = addresses.map(
      (at) =>
        new Listener({
          clock,
          log,
          what: `health check of service ${service}`,
          ...at,
          port: check.port,
          answer: () => this.#answer(service),
          onRefused: (why) => onRefused?.(service, check.port, why),
        }),
    );
    this.#running.set(service, { check, addresses, listeners });
  }

  #stop(service: string): void {
    for (const listener of this.#running.get(service)?.listeners ?? []) listener[Symbol.dispose]();
    this.#running.delete(service);
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
