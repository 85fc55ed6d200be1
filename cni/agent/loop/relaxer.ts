/** Picks the moments to give memory back: when much was done and nothing has followed. */

import type { Timer } from '../clock.ts';
import type { Timers } from './timers.ts';

/** So long after the last work (ms); and once more when the dust has settled. */
const REST = 1000;
const LATER = 10_000;
/** Even without much work, garbage of regular comparisons gathers: this often (ms). */
const REGULARLY = 600_000;
/** So many changes are much work. */
const MUCH = 100;

export class Relaxer {
  readonly #timers: Timers;
  readonly #relax: () => void;
  #next: Timer | undefined;

  constructor(timers: Timers, relax: () => void) {
    this.#timers = timers;
    this.#relax = relax;
  }

  /** The start is over. */
  started(): void {
    this.#soon();
    this.#timers.every(REGULARLY, () => this.#soon());
  }

  /** So many changes were made. */
  worked(changes: number): void {
    if (changes >= MUCH) this.#soon();
  }

  #soon(): void {
    this.#next?.cancel();
    this.#next = this.#timers.after(REST, () => {
      this.#relax();
      this.#next = this.#timers.after(LATER, this.#relax);
    });
  }
}
