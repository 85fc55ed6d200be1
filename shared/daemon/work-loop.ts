/**
 * The level-triggered loop: events only mark parts of the work as dirty, one run at a time brings the dirty parts into
 * order. A part that fails is tried again, ever less often; the others go on.
 */

import { errorText } from '../log/format.ts';
import type { Logger } from '../log/logger.ts';
import type { Clock, Timer } from './clock.ts';

/**
 * A burst of events costs a run at its first event and one this much later (ms): long enough that a busy kernel does
 * not keep the program busy, short against the second within which repairs are promised.
 */
const SPACING = 50;
const FIRST_RETRY = 500;
const LONGEST_RETRY = 30_000;

export interface WorkLoopOptions<Part extends string> {
  readonly clock: Clock;
  readonly log: Logger;
  /** In the order in which dirty parts are worked on. */
  readonly parts: Readonly<Record<Part, () => void | Promise<void>>>;
  /** Parts that may run again sooner than 50 ms after a run (ms): those whose runs cost little. */
  readonly spacing?: Readonly<Partial<Record<Part, number>>>;
  readonly onError?: (part: Part, error: unknown) => void;
  /** @param startedAt when the run began (monotonic ms) */
  readonly onDone?: (part: Part, startedAt: number) => void;
}

export class WorkLoop<Part extends string> implements Disposable {
  readonly #options: WorkLoopOptions<Part>;
  readonly #dirty = new Set<Part>();
  readonly #failures = new Map<Part, { count: number; message: string; retry?: Timer }>();
  #timer: Timer | undefined;
  #running = false;
  #stopped = false;
  #isLast = false;
  /** When each part last ran (monotonic ms). */
  readonly #ends = new Map<Part, number>();
  #idle: (() => void)[] = [];

  constructor(options: WorkLoopOptions<Part>) {
    this.#options = options;
  }

  /** Has the parts looked at soon. */
  mark(...parts: readonly Part[]): void {
    if (this.#stopped) return;
    for (const part of parts) if (!this.#isLast || !this.#failures.has(part)) this.#dirty.add(part);
    this.#schedule();
  }

  /** True while the last attempt at that part failed. */
  failing(part: Part): boolean {
    return this.#failures.has(part);
  }

  /** Resolves when nothing is dirty and nothing runs; parts that wait for a retry do not count. */
  async idle(): Promise<void> {
    if (this.#dirty.size === 0 && !this.#running) return;
    await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /** Does what is dirty at once, whatever its spacing, and then nothing any more. What fails is not tried again. */
  async finish(): Promise<void> {
    this.#isLast = true;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#schedule();
    await this.idle();
    this[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.#stopped = true;
    this.#timer?.cancel();
    for (const failure of this.#failures.values()) failure.retry?.cancel();
  }

  #schedule(): void {
    if (this.#running || this.#timer || this.#stopped || this.#dirty.size === 0) return;
    const wait = Math.max(0, Math.min(...[...this.#dirty].map((part) => this.#dueIn(part))));
    this.#timer = this.#options.clock.after(wait, () => {
      this.#timer = undefined;
      this.#run().catch((error: unknown) => this.#options.log.error('the work loop failed', { error }));
    });
  }

  /** Milliseconds until a part may run; not more than 0: now. */
  #dueIn(part: Part): number {
    const { clock, spacing } = this.#options;
    const end = this.#ends.get(part);
    return end === undefined || this.#isLast ? 0 : end + (spacing?.[part] ?? SPACING) - clock.monotonic();
  }

  async #run(): Promise<void> {
    this.#running = true;
    try {
      for (const part of Object.keys(this.#options.parts) as Part[]) {
        if (this.#stopped || !this.#dirty.has(part) || this.#dueIn(part) > 0) continue;
        this.#dirty.delete(part);
        await this.#work(part);
        this.#ends.set(part, this.#options.clock.monotonic());
      }
    } finally {
      this.#running = false;
      if (this.#dirty.size === 0) for (const resolve of this.#idle.splice(0)) resolve();
      this.#schedule();
    }
  }

  async #work(part: Part): Promise<void> {
    const before = this.#failures.get(part);
    before?.retry?.cancel();
    const startedAt = this.#options.clock.monotonic();
    try {
      await this.#options.parts[part]();
      this.#failures.delete(part);
      if (before) this.#options.log.info('works again', { part });
      this.#options.onDone?.(part, startedAt);
    } catch (error) {
      this.#options.onError?.(part, error);
      const count = (before?.count ?? 0) + 1;
      const wait = Math.min(LONGEST_RETRY, FIRST_RETRY * 2 ** (count - 1));
      const message = errorText(error);
      // The same failure is told once, not at every attempt.
      if (message !== before?.message) {
        this.#options.log.error('failed, will be tried again', { part, error, retry_ms: wait });
      }
      const retry = this.#options.clock.after(wait, () => this.mark(part));
      this.#failures.set(part, { count, message, retry });
    }
  }
}
