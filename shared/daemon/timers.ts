/** Timers that end together; what one of them throws is logged and ends nothing. */

import { errorText } from '../log/format.ts';
import type { Logger } from '../log/logger.ts';
import type { Clock, Timer } from './clock.ts';

export class Timers implements Disposable {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #running = new Set<Timer>();

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#log = log;
  }

  /** Calls back once after that many milliseconds. */
  after(ms: number, callback: () => void): Timer {
    const timer = this.#clock.after(ms, () => {
      this.#running.delete(timer);
      try {
        callback();
      } catch (error) {
        this.#log.error('a timed task failed', { error: errorText(error) });
      }
    });
    this.#running.add(timer);
    return timer;
  }

  /** Calls back every so many milliseconds. */
  every(ms: number, callback: () => void): void {
    this.after(ms, () => {
      this.every(ms, callback);
      callback();
    });
  }

  [Symbol.dispose](): void {
    for (const timer of this.#running) timer.cancel();
    this.#running.clear();
  }
}
