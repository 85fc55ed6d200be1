/** Time as a constructor argument, so that tests need not wait for it. */

import { type Instant, systemClock as storeClock } from '../store/clock.ts';

export interface Clock {
  /** Milliseconds since the epoch: for people, and what leases are dated in. Jumps whenever somebody sets the time. */
  now(): number;
  /** By both clocks: for what has to last across a jump, or a restart. */
  instant(): Instant;
  /** Milliseconds that never jump: for durations and intervals. */
  monotonic(): number;
  /** Calls back once after that many milliseconds. */
  after(ms: number, callback: () => void): Timer;
}

export interface Timer {
  cancel(): void;
}

/** The longest delay that setTimeout takes, 24.8 days; a longer one would fire at once. */
const MAX_DELAY = 2 ** 31 - 1;

/** The machine's clock. */
let instants: ReturnType<typeof storeClock> | undefined;
export const systemClock: Clock = {
  now: Date.now,
  instant: () => {
    instants ??= storeClock();
    return instants.now();
  },
  monotonic: () => performance.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, Math.min(ms, MAX_DELAY));
    return { cancel: () => clearTimeout(timer) };
  },
};

/** Resolves after that many milliseconds, or at once when the signal is aborted. */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) {
      resolve();
      return;
    }
    const done = (): void => {
      timer.cancel();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = clock.after(ms, done);
    signal?.addEventListener('abort', done);
  });
}
