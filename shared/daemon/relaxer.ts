/** Picks the moments to give memory back: when much was done and nothing has followed. */

import type { Timer } from './clock.ts';
import type { Timers } from './timers.ts';

/**
 * Pauses (ms) after the last work, and then after each other: the runtime compiles on for a while what was run much,
 * and returns pages of its heap only some time after it was cleared.
 */
const PAUSES: readonly number[] = [500, 1000, 10_000];
/** Even without much work, garbage of regular comparisons gathers: this often (ms). */
const REGULARLY = 600_000;
/** So many changes are much work, one by one or at once. */
const MUCH = 100;
/** Giving back stops everything for some 100 ms with thousands of peers: it waits for so long a pause of the work (ms) … */
const QUIET = 500;
/** … but not for ever: so often. */
const PATIENCE = 60;

export class Relaxer {
  readonly #timers: Timers;
  readonly #relax: () => void;
  readonly #now: () => number;
  readonly #much: number;
  #next: Timer | undefined;
  /** It is going to be given back. */
  #waits = false;
  #worked = Number.NEGATIVE_INFINITY;
  /** Changes since it last set out to give back. */
  #changes = 0;

  /**
   * @param now monotonic ms
   * @param much so many changes leave enough behind to be worth it
   */
  constructor(timers: Timers, relax: () => void, now: () => number, much: number = MUCH) {
    this.#timers = timers;
    this.#relax = relax;
    this.#now = now;
    this.#much = much;
  }

  /** The start is over. */
  started(): void {
    this.#soon(PAUSES);
    this.#timers.every(REGULARLY, () => this.#soon(PAUSES));
  }

  /** So many changes were made. */
  worked(changes: number): void {
    if (changes > 0) this.#worked = this.#now();
    this.#changes += changes;
    // Many small ones do not put off what they wait for.
    if (changes < this.#much && (this.#changes < this.#much || this.#waits)) return;
    this.#changes = 0;
    this.#soon(PAUSES);
  }

  #soon([pause, ...rest]: readonly number[], patience = PATIENCE): void {
    this.#next?.cancel();
    this.#waits = pause !== undefined;
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
