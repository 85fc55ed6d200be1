/** How long to wait before the next try: longer each time, partly by chance. */

export interface BackoffOptions {
  /** After the first failure, in ms. */
  readonly firstMs: number;
  /** Never longer than this, in ms. */
  readonly mostMs: number;
  /** From 0 up to 1, 1 excluded; by default Math.random. */
  readonly random?: () => number;
}

/**
 * Doubles with each failure in a row. What is waited is drawn between half of that and all of it, so that thousands of
 * nodes that lost the same server do not come back in the same second.
 */
export class Backoff {
  readonly #options: BackoffOptions;
  #failures = 0;

  constructor(options: BackoffOptions) {
    this.#options = options;
  }

  get failures(): number {
    return this.#failures;
  }

  /** It worked: the next failure is the first again. */
  reset(): void {
    this.#failures = 0;
  }

  /**
   * Counts a failure and says how long to wait, in ms.
   *
   * @param leastMs what the server asked for
   */
  next(leastMs = 0): number {
    const { firstMs, mostMs, random = Math.random } = this.#options;
    // 2^30 is far above any limit and still a number.
    const full = Math.min(mostMs, firstMs * 2 ** Math.min(this.#failures, 30));
    this.#failures += 1;
    return Math.max(leastMs, full / 2) + (random() * full) / 2;
  }
}
