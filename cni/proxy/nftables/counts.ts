/** How many service ports put an element into a set that they share, so that it goes with the last of them. Pure. */

export class Counts {
  readonly #counts = new Map<string, number>();

  /** @returns whether it is the first */
  add(key: string): boolean {
    const count = this.#counts.get(key) ?? 0;
    this.#counts.set(key, count + 1);
    return count === 0;
  }

  /** @returns whether it was the last */
  remove(key: string): boolean {
    const count = this.#counts.get(key) ?? 0;
    if (count > 1) this.#counts.set(key, count - 1);
    else this.#counts.delete(key);
    return count === 1;
  }

  keys(): IterableIterator<string> {
    return this.#counts.keys();
  }
}
