/** The latest lags, for people: the metric's histogram is for machines. Pure. */

/** So many are remembered. */
const SIZE = 512;

export interface LagSummary {
  /** Since the start. */
  readonly count: number;
  /** Milliseconds; percentiles of the latest ones. */
  readonly lastMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export class LagWindow {
  readonly #latest: number[] = [];
  #count = 0;

  /** @param ms from an event to the end of the run that dealt with it */
  add(ms: number): void {
    this.#latest[this.#count % SIZE] = ms;
    this.#count += 1;
  }

  /** `undefined` before the first. */
  get summary(): LagSummary | undefined {
    if (this.#count === 0) return undefined;
    const sorted = this.#latest.toSorted((a, b) => a - b);
    const at = (part: number): number =>
      round(sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))]);
    const last = this.#latest[(this.#count - 1) % SIZE];
    return { count: this.#count, lastMs: round(last), p50Ms: at(0.5), p99Ms: at(0.99) };
  }
}

function round(ms: number | undefined): number {
  return Math.round((ms ?? 0) * 10) / 10;
}
