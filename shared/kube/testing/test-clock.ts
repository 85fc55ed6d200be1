/** A clock that a test moves. */

import type { KubeClock } from '../clock.ts';

export class TestClock implements KubeClock {
  #elapsed = 0;
  #origin = Date.UTC(2026, 0, 1);
  readonly #timers = new Set<{ readonly at: number; readonly callback: () => void }>();

  now(): { readonly wallMs: number } {
    return { wallMs: this.#origin + this.#elapsed };
  }

  setTimer(delayMs: number, callback: () => void): Disposable {
    const timer = { at: this.#elapsed + delayMs, callback };
    this.#timers.add(timer);
    return { [Symbol.dispose]: () => this.#timers.delete(timer) };
  }

  /** How long from now each timer has left (ms), the shortest first. */
  get timers(): number[] {
    return [...this.#timers].map(({ at }) => at - this.#elapsed).sort((a, b) => a - b);
  }

  /** Sets the wall clock, as NTP does; no time passes. */
  jump(ms: number): void {
    this.#origin += ms;
  }

  /** Lets time pass; what falls due runs in its order. */
  advance(ms: number): void {
    const end = this.#elapsed + ms;
    for (;;) {
      const due = [...this.#timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (!due) break;
      this.#timers.delete(due);
      this.#elapsed = Math.max(this.#elapsed, due.at);
      due.callback();
    }
    this.#elapsed = end;
  }
}

/** Waits until it holds, asking again and again. @throws Error when it does not within 5 s */
export async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 5000;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`still not: ${what}`);
    await Bun.sleep(2);
  }
}
