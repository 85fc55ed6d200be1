/** Time as an argument, so that tests need not wait for it. The clocks of shared/store fit. */

export interface KubeClock {
  /** `wallMs`: milliseconds since 1970, compared only with times that the API server wrote. */
  now(): { readonly wallMs: number };
  /** Calls `callback` once after `delayMs` unless disposed of before. */
  setTimer(delayMs: number, callback: () => void): Disposable;
}

/** The machine's clock. Timers keep no process alive. */
export const systemClock: KubeClock = {
  now: () => ({ wallMs: Date.now() }),
  setTimer: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs);
    timer.unref();
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
};

/** Resolves after that many milliseconds, or at once when the signal is aborted. */
export function sleep(clock: KubeClock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) {
      resolve();
      return;
    }
    const done = (): void => {
      timer[Symbol.dispose]();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = clock.setTimer(ms, done);
    signal?.addEventListener('abort', done);
  });
}
