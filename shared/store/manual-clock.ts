import type { Clock, Instant } from './clock.ts';

interface Timer {
  readonly atMs: number;
  readonly callback: () => void;
}

/** A clock that a test moves. Timers fire inside `advance`, in their order. */
export class ManualClock implements Clock {
  #wallMs: number;
  #bootMs = 1_000_000;
  #bootId = 'boot-1';
  readonly #timers = new Set<Timer>();

  constructor(wallMs: number = Date.UTC(2026, 0, 1)) {
    this.#wallMs = wallMs;
  }

  now(): Instant {
    return { wallMs: this.#wallMs, bootMs: this.#bootMs, bootId: this.#bootId };
  }

  setTimer(delayMs: number, callback: () => void): Disposable {
    const timer = { atMs: this.#bootMs + Math.max(delayMs, 0), callback };
    this.#timers.add(timer);
    return { [Symbol.dispose]: () => this.#timers.delete(timer) };
  }

  /** How many timers are set. */
  get timers(): number {
    return this.#timers.size;
  }

  /** Lets time pass, by both clocks. */
  advance(ms: number): void {
    const end = this.#bootMs + ms;
    for (;;) {
      const due = [...this.#timers].filter((timer) => timer.atMs <= end).sort((a, b) => a.atMs - b.atMs)[0];
      if (due === undefined) break;
      this.#pass(Math.max(due.atMs - this.#bootMs, 0));
      this.#timers.delete(due);
      due.callback();
    }
    this.#pass(end - this.#bootMs);
  }

  /** Sets the wall clock, as NTP does. */
  setWall(wallMs: number): void {
    this.#wallMs = wallMs;
  }

  /** Another boot: the boot clock starts again. Timers are gone with their process. */
  reboot(): void {
    this.#bootMs = 1000;
    this.#bootId = `boot-${Number(this.#bootId.slice(5)) + 1}`;
    this.#timers.clear();
  }

  #pass(ms: number): void {
    this.#wallMs += ms;
    this.#bootMs += ms;
  }
}
