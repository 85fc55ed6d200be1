/**
 * How often to look at what sends no events: as often as somebody asks, but for no more than a certain share of a
 * processor's time, however long a look takes. Pure, given the time.
 */

/** One part in so many: 2 %. */
const SHARE = 50;

export class Pace {
  readonly #now: () => number;
  #next = Number.NEGATIVE_INFINITY;

  /** @param now monotonic ms */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** False as long as the last look has not been made up for. */
  get due(): boolean {
    return this.#now() >= this.#next;
  }

  /** Looks, and remembers how long that took. */
  look<T>(looking: () => T): T {
    const start = this.#now();
    try {
      return looking();
    } finally {
      const end = this.#now();
      this.#next = end + (end - start) * SHARE;
    }
  }
}
