/**
 * Sends Events to the API server when it can be reached: one after the other, and nobody waits for them. What the server refuses,
 * what is too old or too much, and what was told a few minutes ago is left out.
 */

import { type Clock, sleep } from '../../../shared/daemon/clock.ts';
import type { KubeClient } from '../../../shared/kube/client.ts';
import { KubeError } from '../../../shared/kube/errors.ts';
import type { Logger } from '../../../shared/log/logger.ts';
import { EVENTS, type KubeEvent, kubeEvent, type ProxyEvent } from './event.ts';

/** client-go's (tools/events): so often, and so long between two attempts (ms, and up to a quarter more). */
const MOST_ATTEMPTS = 12;
const PAUSE = 10_000;
/** client-go's for what counts as one series of Events: the same is told again after so many ms. */
const SAME_FOR = 6 * 60_000;
/** That wait. */
const MOST_WAITING = 100;

export interface EventSink {
  tell(event: ProxyEvent): void;
}

export interface EventRecorderOptions {
  readonly client: Pick<KubeClient, 'create'>;
  readonly clock: Clock;
  readonly log: Logger;
  /** The node's name. */
  readonly host: string;
  readonly random?: () => number;
}

export class EventRecorder implements EventSink, Disposable {
  readonly #options: EventRecorderOptions;
  readonly #waiting: KubeEvent[] = [];
  /** When it was told last (monotonic ms), by what it is. */
  readonly #told = new Map<string, number>();
  readonly #end = new AbortController();
  #sending = false;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
  }

  tell(event: ProxyEvent): void {
    const { clock, host } = this.#options;
    const now = clock.monotonic();
    for (const [key, at] of this.#told) if (now - at >= SAME_FOR) this.#told.delete(key);
    const key = JSON.stringify([event.regarding, event.reason, event.action]);
    if (this.#end.signal.aborted || this.#told.has(key) || this.#waiting.length >= MOST_WAITING) return;
    this.#told.set(key, now);
    this.#waiting.push(kubeEvent(event, clock.now(), host));
    if (!this.#sending) void this.#sendAll();
  }

  [Symbol.dispose](): void {
    this.#end.abort();
  }

  async #sendAll(): Promise<void> {
    this.#sending = true;
    for (;;) {
      const event = this.#waiting.shift();
      if (!event || this.#end.signal.aborted) break;
      await this.#send(event);
    }
    this.#sending = false;
  }

  async #send(event: KubeEvent): Promise<void> {
    const { client, clock, log, random = Math.random } = this.#options;
    const { signal } = this.#end;
    const { namespace = 'default' } = event.metadata;
    for (let attempt = 1; attempt <= MOST_ATTEMPTS; attempt += 1) {
      try {
        await client.create(EVENTS, event, { namespace, signal });
        return;
      } catch (error) {
        if (signal.aborted) return;
        const { reason } = event;
        // Whoever answers has said what is to be said: no rights, or one of that name is there.
        if (error instanceof KubeError && error.code !== 0) {
          log.debug('the server does not take an Event', { reason, error });
          return;
        }
        if (attempt === MOST_ATTEMPTS) log.debug('an Event could not be told', { reason, error });
      }
      if (attempt < MOST_ATTEMPTS) await sleep(clock, PAUSE * (1 + random() / 4), signal);
      if (signal.aborted) return;
    }
  }
}
