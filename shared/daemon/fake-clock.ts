/** A clock that stands still until a test moves it. */

import type { Instant } from '../store/clock.ts';
import type { Clock, Timer } from './clock.ts';

export class FakeClock implements Clock {
  /** Milliseconds since the test began. */
  #elapsed = 0;
  /** What the wall clock showed, or would have shown, then. */
  #origin: number;
  #timers: { readonly at: number; readonly callback: () => void }[] = [];

  /** @param start milliseconds since the epoch */
  constructor(start: number = Date.UTC(2026, 0, 1)) {
    this.#origin = start;
  }

  now(): number {
    return this.#origin + this.#elapsed;
  }

  monotonic(): number {
    return this.#elapsed;
  }

  instant(): Instant {
    return { wallMs: this.now(), bootMs: this.#elapsed, bootId: 'boot' };
  }

  after(ms: number, callback: () => void): Timer {
    const timer = { at: this.#elapsed + ms, callback };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }

  /** Sets the wall clock, as NTP does; no time passes. */
  jump(ms: number): void {
    this.#origin += ms;
  }

  /** Lets time pass; what falls due runs in order, and so does what it started, promises included. */
  async advance(ms: number): Promise<void> {
    const end = this.#elapsed + ms;
    await settle();
    for (;;) {
      const due = this.#timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
      if (!due) break;
      this.#timers = this.#timers.filter((timer) => timer !== due);
      this.#elapsed = Math.max(this.#elapsed, due.at);
      due.callback();
      await settle();
    }
    this.#elapsed = end;
  }
}

/** Lets promises that are settled already run their course. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
}
