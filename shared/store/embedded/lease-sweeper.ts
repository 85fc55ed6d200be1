import type { Clock } from '../clock.ts';

/** How long to wait before trying again when the store could not be written, in ms. */
const RETRY_MS = 10_000;

/**
 * Ends leases at the moment they are over, for as long as somebody watches: that is what makes an expiry an event.
 * Every watching process does so; the first one finds something to do.
 */
export class LeaseSweeper implements Disposable {
  readonly #clock: Clock;
  readonly #sweep: () => number | undefined;
  #watchers = 0;
  #dueMs = Number.POSITIVE_INFINITY;
  #timer: Disposable | undefined;

  /** @param sweep ends what is over and returns the milliseconds until the next lease is */
  constructor(clock: Clock, sweep: () => number | undefined) {
    this.#clock = clock;
    this.#sweep = sweep;
  }

  /** Sweeps until the returned subscription is disposed of. */
  subscribe(): Disposable {
    this.#watchers += 1;
    if (this.#watchers === 1) this.#run();
    let open = true;
    return {
      [Symbol.dispose]: () => {
        if (!open) return;
        open = false;
        this.#watchers -= 1;
        if (this.#watchers === 0) this[Symbol.dispose]();
      },
    };
  }

  /** A lease was set that ends in `remainingMs`. Renewals only make the timer fire early, which does no harm. */
  expect(remainingMs: number): void {
    if (this.#watchers === 0) return;
    const dueMs = this.#clock.now().bootMs + remainingMs;
    if (dueMs < this.#dueMs) this.#arm(remainingMs);
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    this.#dueMs = Number.POSITIVE_INFINITY;
  }

  #run(): void {
    this[Symbol.dispose]();
    let next: number | undefined;
    try {
      next = this.#sweep();
    } catch {
      // A full disk, for instance. The watch itself says so if the store cannot be read either.
      next = RETRY_MS;
    }
    if (next !== undefined && this.#watchers > 0) this.#arm(next);
  }

  #arm(delayMs: number): void {
    this.#timer?.[Symbol.dispose]();
    this.#dueMs = this.#clock.now().bootMs + delayMs;
    this.#timer = this.#clock.setTimer(delayMs, () => this.#run());
  }
}
