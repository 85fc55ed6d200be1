/** Keys to work on, each once at a time; what fails comes back later. */

import { Backoff } from './backoff.ts';
import type { KubeClock } from './clock.ts';

export interface WorkQueueOptions {
  readonly clock: KubeClock;
  /** Works on one key; a failure brings the key back. */
  readonly work: (key: string, signal: AbortSignal) => Promise<void>;
  /** How many keys are worked on at the same time; 1 unless given. */
  readonly workers?: number;
  /** After a key's first failure, in ms. */
  readonly firstMs?: number;
  readonly mostMs?: number;
  readonly random?: () => number;
  /** A key failed and comes back in `waitMs`. */
  readonly onError?: (key: string, error: unknown, waitMs: number) => void;
}

/**
 * A key that is added again while it waits is worked on once; while it is worked on, once more afterwards. Nothing is
 * ever worked on twice at the same time.
 */
export class WorkQueue implements Disposable {
  readonly #options: WorkQueueOptions;
  readonly #stop = new AbortController();
  /** In the order of their coming. */
  readonly #waiting = new Set<string>();
  readonly #running = new Set<string>();
  readonly #again = new Set<string>();
  readonly #backoffs = new Map<string, Backoff>();
  readonly #timers = new Map<string, Disposable>();
  #idle: (() => void)[] = [];

  constructor(options: WorkQueueOptions) {
    this.#options = options;
  }

  /** Keys that wait, for a worker or for their next try. */
  get size(): number {
    return this.#waiting.size + this.#timers.size;
  }

  /** Has a key worked on soon, even if it waits for its next try. */
  add(key: string): void {
    if (this.#stop.signal.aborted) return;
    this.#timers.get(key)?.[Symbol.dispose]();
    this.#timers.delete(key);
    if (this.#running.has(key)) this.#again.add(key);
    else this.#waiting.add(key);
    this.#start();
  }

  /** Has a key worked on in that many ms. */
  addAfter(key: string, ms: number): void {
    if (this.#stop.signal.aborted || this.#waiting.has(key)) return;
    this.#timers.get(key)?.[Symbol.dispose]();
    this.#timers.set(
      key,
      this.#options.clock.setTimer(ms, () => this.add(key)),
    );
  }

  /** Resolves when nothing is worked on and nothing waits for a worker. */
  idle(): Promise<void> {
    if (this.#running.size === 0 && this.#waiting.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  /** Stops; work that is under way has its signal aborted. */
  [Symbol.dispose](): void {
    this.#stop.abort();
    for (const timer of this.#timers.values()) timer[Symbol.dispose]();
    this.#timers.clear();
    this.#waiting.clear();
    this.#again.clear();
  }

  #start(): void {
    const { workers = 1 } = this.#options;
    for (const key of this.#waiting) {
      if (this.#running.size >= workers) return;
      this.#waiting.delete(key);
      this.#running.add(key);
      void this.#work(key);
    }
  }

  async #work(key: string): Promise<void> {
    const { signal } = this.#stop;
    try {
      await this.#options.work(key, signal);
      this.#backoffs.delete(key);
    } catch (error) {
      if (!signal.aborted) this.#failed(key, error);
    }
    this.#running.delete(key);
    if (this.#again.delete(key)) this.add(key);
    else this.#start();
    if (this.#running.size > 0 || this.#waiting.size > 0) return;
    const idle = this.#idle;
    this.#idle = [];
    for (const resolve of idle) resolve();
  }

  #failed(key: string, error: unknown): void {
    const { firstMs = 100, mostMs = 60_000, random } = this.#options;
    let backoff = this.#backoffs.get(key);
    if (!backoff) {
      backoff = new Backoff({ firstMs, mostMs, ...(random && { random }) });
      this.#backoffs.set(key, backoff);
    }
    const wait = backoff.next();
    this.#options.onError?.(key, error, wait);
    this.addAfter(key, wait);
  }
}
