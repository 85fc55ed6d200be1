/** Hears of what others do to what is programmed; where that ends, again a little later, and with a look at everything. */

import type { Timers } from '../../shared/daemon/timers.ts';
import { errorText } from '../../shared/log/format.ts';
import type { Logger } from '../../shared/log/logger.ts';
import { familyLabel } from './metrics.ts';
import type { Family } from './model/endpoint.ts';
import type { ModeKit } from './modes/kit.ts';

/** Before others' changes are listened for again (ms). */
const AGAIN = 1000;

export interface ForeignWatchesOptions {
  readonly kit: ModeKit;
  readonly timers: Timers;
  readonly log: Logger;
  /** Somebody changed something, or may have. */
  readonly onChange: (family: Family) => void;
}

export class ForeignWatches implements Disposable {
  readonly #options: ForeignWatchesOptions;
  readonly #watches = new DisposableStack();
  /** What was told last of a family that cannot be heard. */
  readonly #told = new Map<Family, string>();

  constructor(options: ForeignWatchesOptions) {
    this.#options = options;
  }

  /** Never throws: what cannot be heard is told, and tried again. */
  async listen(family: Family): Promise<void> {
    const { kit, onChange } = this.#options;
    const changed = (): void => {
      if (!this.#watches.disposed) onChange(family);
    };
    try {
      const watch = await kit.watch?.(family, changed, (error) => this.#again(family, error));
      if (watch && this.#watches.disposed) watch[Symbol.dispose]();
      else if (watch) this.#watches.use(watch);
      this.#told.delete(family);
    } catch (error) {
      this.#again(family, error);
    }
  }

  #again(family: Family, error: unknown): void {
    if (this.#watches.disposed) return;
    const { timers, log, onChange } = this.#options;
    const text = errorText(error);
    if (text !== this.#told.get(family))
      log.error("others' changes cannot be heard; tried again every second", {
        family: familyLabel(family),
        error,
      });
    this.#told.set(family, text);
    timers.after(AGAIN, () => {
      void this.listen(family).then(() => {
        if (!this.#watches.disposed) onChange(family);
      });
    });
  }

  [Symbol.dispose](): void {
    this.#watches.dispose();
  }
}
