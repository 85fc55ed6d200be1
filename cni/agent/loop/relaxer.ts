/** Picks the moments to give memory back: when much was done and nothing has followed. */

import type { Timer } from '../../../shared/daemon/clock.ts';
import type { Timers } from '../../../shared/daemon/timers.ts';

/**
 * Pauses (ms) after the last work, and then after each other: the runtime compiles on for a while what was run much,
 * and returns pages of its heap only some time after it was cleared.
 */
const PAUSES: readonly number[] = [500, 1000, 10_000];
/** Even without much work, garbage of regular comparisons gathers: this often (ms). */
const REGULARLY = 600_000;
/** So many changes are much work. */
const MUCH = 100;
/** Giving back stops everything for some 100 ms with thousands of peers: it waits for so long a pause of the work (ms) … */
const QUIET = 500;
/** … but not for ever: so often. */
const PATIENCE = 60;

export class Relaxer {
  readonly #timers: Timers;
  readonly #relax: () => void;
  readonly #now: () => number;
  #next: Timer | undefined;
  #worked = Number.NEGATIVE_INFINITY;

  /** @param now monotonic ms */
  constructor(timers: Timers, relax: () => void, now: () => number) {
    this.#timers = timers;
    this.#relax = relax;
    this.#now = now;
  }

  /** The start is over. */
  started(): void {
    this.#soon(PAUSES);
    this.#timers.every(REGULARLY, () => this.#soon(PAUSES));
  }

  /** So many changes were made. */
  worked(changes: number): void {
    if (changes > 0) this.#worked = this.#now();
    if (changes >= MUCH) this.#soon(PAUSES);
  }

  #soon([pause, ...rest]: readonly number[], patience = PATIENCE): void {
    this.#next?.cancel();
    if (pause === undefined) return;
    this.#next = this.#timers.after(pause, () => {
      if (patience > 0 && this.#now() - this.#worked < QUIET) {
        this.#soon([QUIET, ...rest], patience - 1);
        return;
      }
      this.#relax();
      this.#soon(rest);
    });
  }
}
