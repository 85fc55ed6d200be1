/** How long what happens waits until it is dealt with, part by part. Pure, given the time. */

export class Lag<Part extends string> {
  /** Of events that are not dealt with yet: the first and the latest (monotonic ms). */
  readonly #waiting = new Map<Part, { readonly first: number; readonly last: number }>();

  /** Something concerns these parts, and happened at that time. @param at monotonic ms */
  event(parts: readonly Part[], at: number): void {
    for (const part of parts) {
      const { first = at } = this.#waiting.get(part) ?? {};
      this.#waiting.set(part, { first, last: at });
    }
  }

  /**
   * That part is in order. What came after the run began waits for the next one.
   *
   * @returns how long the oldest event waited (ms); `undefined` where none did
   */
  done(part: Part, startedAt: number, now: number): number | undefined {
    const events = this.#waiting.get(part);
    if (!events || events.first > startedAt) return undefined;
    this.#waiting.delete(part);
    if (events.last > startedAt) this.event([part], events.last);
    return now - events.first;
  }
}
