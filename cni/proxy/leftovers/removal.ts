/** What another mode, or kube-proxy, left goes once ours is in; what cannot go (a lock is held) is tried again. */

import type { Clock, Timer } from '../../../shared/daemon/clock.ts';

/** Before it is tried again, in ms; twice as long each time. */
const FIRST = 5000;
const LONGEST = 15 * 60_000;

export class Removal implements Disposable {
  readonly #clock: Clock;
  readonly #remove: () => Promise<number>;
  #wait = FIRST;
  #timer: Timer | undefined;
  #running: Promise<void> = Promise.resolve();
  #ended = false;

  /** @param remove tells how many things could not be removed; never throws */
  constructor(clock: Clock, remove: () => Promise<number>) {
    this.#clock = clock;
    this.#remove = remove;
  }

  /** Resolves when it has been tried. */
  run(): Promise<void> {
    this.#running = this.#attempt();
    return this.#running;
  }

  /** Nothing is tried again; resolves when what is under way is over. */
  async finish(): Promise<void> {
    this[Symbol.dispose]();
    await this.#running;
  }

  [Symbol.dispose](): void {
    this.#ended = true;
    this.#timer?.cancel();
  }

  async #attempt(): Promise<void> {
    if (this.#ended || (await this.#remove()) === 0 || this.#ended) return;
    this.#timer = this.#clock.after(this.#wait, () => void this.run());
    this.#wait = Math.min(LONGEST, 2 * this.#wait);
  }
}
