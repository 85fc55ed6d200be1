/** Time as an argument, so that tests need not wait for it. */

import { systemClock as kernelClock } from '../../../shared/store/clock.ts';

export interface Clock {
  /** Milliseconds since the machine started, suspend included: what leases count by. */
  now(): number;
  /** Calls back once after that many milliseconds. */
  after(ms: number, callback: () => void): Disposable;
}

/** The machine's clock, and the name of this boot: times of another one mean nothing. */
export function systemClock(): Clock & { readonly bootId: string } {
  const clock = kernelClock();
  return {
    bootId: clock.now().bootId,
    now: () => clock.now().bootMs,
    after: (ms, callback) => clock.setTimer(ms, callback),
  };
}
