import type { KubeClock } from './clock.ts';
import { KubeError } from './errors.ts';

/** Ends a request that its caller gave up, or that nothing is heard of for too long. */
export class Watchdog implements Disposable {
  readonly #clock: KubeClock;
  readonly #what: string;
  readonly #outer: AbortSignal | undefined;
  readonly #controller = new AbortController();
  readonly #timers = new Map<string, Disposable>();
  readonly #onOuter = (): void => this.#controller.abort(this.#outer?.reason);

  /** @param what the request, for people */
  constructor(clock: KubeClock, what: string, outer?: AbortSignal) {
    this.#clock = clock;
    this.#what = what;
    this.#outer = outer;
    if (outer?.aborted) this.#onOuter();
    else outer?.addEventListener('abort', this.#onOuter);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Gives it `ms` from now on; a timer of the same name is replaced. */
  arm(name: string, ms: number, problem = 'nothing came for'): void {
    this.#timers.get(name)?.[Symbol.dispose]();
    const timer = this.#clock.setTimer(ms, () => {
      const text = `${this.#what}: ${problem} ${ms / 1000} s`;
      this.#controller.abort(new KubeError(text, { code: 0, reason: 'Timeout' }));
    });
    this.#timers.set(name, timer);
  }

  disarm(name: string): void {
    this.#timers.get(name)?.[Symbol.dispose]();
    this.#timers.delete(name);
  }

  /** Aborts what is still running. */
  [Symbol.dispose](): void {
    for (const timer of this.#timers.values()) timer[Symbol.dispose]();
    this.#timers.clear();
    this.#outer?.removeEventListener('abort', this.#onOuter);
    if (!this.#controller.signal.aborted) this.#controller.abort();
  }
}
