/** Listens to the kernel for good: where that fails, again a little later. */

import type { Timers } from '../../../shared/daemon/timers.ts';
import type { Logger } from '../../../shared/log/logger.ts';
import type { KernelEvent } from './event.ts';
import type { Kernel } from './kernel.ts';

/** Before listening again (ms). */
const AGAIN = 1000;

export interface ListenerOptions {
  readonly kernel: Kernel;
  readonly timers: Timers;
  readonly log: Logger;
  readonly onEvent: (event: KernelEvent) => void;
}

export class KernelListener implements Disposable {
  readonly #options: ListenerOptions;
  #watch: Disposable | undefined;
  #stopped = false;

  constructor(options: ListenerOptions) {
    this.#options = options;
  }

  /** What is read after this has resolved misses nothing. @throws SyscallError when the first attempt fails */
  async start(): Promise<void> {
    this.#watch?.[Symbol.dispose]();
    const watch = await this.#options.kernel.watch((event) => this.#heard(event));
    if (this.#stopped) watch[Symbol.dispose]();
    else this.#watch = watch;
  }

  #heard(event: KernelEvent): void {
    const { timers, log, onEvent } = this.#options;
    if (event.kind === 'deaf') {
      log.error('events of the kernel cannot be heard; listening again', { error: event.error });
      timers.after(AGAIN, () => {
        this.start().then(
          // Whatever happened meanwhile was not told.
          () => onEvent({ kind: 'overrun' }),
          (error: unknown) => this.#heard({ kind: 'deaf', error }),
        );
      });
    }
    onEvent(event);
  }

  [Symbol.dispose](): void {
    this.#stopped = true;
    this.#watch?.[Symbol.dispose]();
  }
}
