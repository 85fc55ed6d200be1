/** Another mode's rules go once this one's are in; what cannot go (a lock is held, a program is missing) is tried again. */

import type { Clock, Timer } from '../../../shared/daemon/clock.ts';

/** Before it is tried again, in ms; twice as long each time. */
const FIRST = 5000;
const LONGEST = 15 * 60_000;

export class RemoveOthers implements Disposable {
  readonly #clock: Clock;
  readonly #remove: () => Promise<number>;
  #wait = FIRST;
  #timer: Timer | undefined;
  #ended = false;

  /** @param remove tells how many could not be removed; never throws */
  constructor(clock: Clock, remove: () => Promise<number>) {
    this.#clock = clock;
    this.#remove = remove;
  }

  async run(): Promise<void> {
    if ((await this.#remove()) === 0 || this.#ended) return;
    this.#timer = this.#clock.after(this.#wait, () => void this.run());
    this.#wait = Math.min(LONGEST, 2 * this.#wait);
  }

  [Symbol.dispose](): void {
    this.#ended = true;
    this.#timer?.cancel();
  }
}
