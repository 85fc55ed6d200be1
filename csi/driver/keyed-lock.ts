/** One at a time for each key: the calls about one volume, while those about others go on. */

import { aborted } from './status.ts';

/** Who waits does so in the order of coming. */
export class KeyedLock {
  readonly #tails = new Map<string, Promise<void>>();

  /** How many keys are held. */
  get size(): number {
    return this.#tails.size;
  }

  /**
   * Waits for its turn with every key, in one order for all callers, and runs `work`.
   *
   * @param signal of the call: who gave up does not get its turn, and what has not begun is not begun
   * @throws RpcError ABORTED where the caller gave up before its turn
   */
  async run<T>(keys: readonly string[], signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const held: (() => void)[] = [];
    try {
      for (const key of [...new Set(keys)].sort()) held.push(await this.#take(key, signal));
      // Also where nobody was in the way: a deadline may pass while a request is on its way.
      if (signal.aborted) throw aborted('the caller gave up');
      return await work();
    } finally {
      for (const release of held.reverse()) release();
    }
  }

  async #take(key: string, signal: AbortSignal): Promise<() => void> {
    const before = this.#tails.get(key);
    let free = (): void => undefined;
    const turn = new Promise<void>((resolve) => {
      free = resolve;
    });
    const tail = before ? before.then(() => turn) : turn;
    this.#tails.set(key, tail);
    const release = (): void => {
      free();
      if (this.#tails.get(key) === tail) this.#tails.delete(key);
    };
    if (before && !(await first(before, signal))) {
      // Those behind still wait for the one before.
      void before.then(release);
      throw aborted(`another call for ${key} is still running`);
    }
    return release;
  }
}

/** True once `done` is, false where the signal came first. */
function first(done: Promise<void>, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return Promise.resolve(false);
  return new Promise((resolve) => {
    const gaveUp = (): void => resolve(false);
    signal.addEventListener('abort', gaveUp, { once: true });
    void done.then(() => {
      signal.removeEventListener('abort', gaveUp);
      resolve(true);
    });
  });
}
