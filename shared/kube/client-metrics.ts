/** Metrics of requests to the API server, by the names, labels and buckets of client-go's (component-base, metrics/prometheus/restclient). */

import { Metrics } from '../metrics/metrics.ts';
import type { RequestObserver } from './observer.ts';

/** In seconds. */
const LATENCY_BUCKETS = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60];
/** In bytes: 64 bytes to 16 MiB. */
const SIZE_BUCKETS = [64, 256, 512, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216];
/** The code of an attempt without an answer, as there. */
const NO_ANSWER = '<error>';

export class ClientMetrics implements RequestObserver {
  readonly #metrics = new Metrics('rest_client_');
  readonly #requests;
  readonly #retries;
  readonly #latency;
  readonly #sent;
  readonly #received;

  constructor() {
    const metrics = this.#metrics;
    const by = ['verb', 'host'] as const;
    this.#requests = metrics.counter('requests_total', 'Requests to the API server.', [
      'code',
      'method',
      'host',
    ]);
    this.#retries = metrics.counter('request_retries_total', 'Repeated requests.', ['code', 'verb', 'host']);
    this.#latency = metrics.histogram(
      'request_duration_seconds',
      'From a request to the end of its answer; watches are left out.',
      LATENCY_BUCKETS,
      by,
    );
    this.#sent = metrics.histogram('request_size_bytes', 'Bodies sent.', SIZE_BUCKETS, by);
    this.#received = metrics.histogram('response_size_bytes', 'Bodies received.', SIZE_BUCKETS, by);
  }

  answered(method: string, host: string, status: number | undefined, isRetry: boolean): void {
    const code = status === undefined ? NO_ANSWER : String(status);
    this.#requests.inc({ code, method, host });
    if (isRetry) this.#retries.inc({ code, verb: method, host });
  }

  sent(verb: string, host: string, bytes: number): void {
    this.#sent.observe({ verb, host }, bytes);
  }

  finished(verb: string, host: string, tookMs: number, received: number): void {
    this.#latency.observe({ verb, host }, tookMs / 1000);
    if (received > 0) this.#received.observe({ verb, host }, received);
  }

  /** The text exposition. */
  expose(): Promise<string> {
    return this.#metrics.expose();
  }
}
