import { readFileSync } from 'node:fs';
import { bootTimeMs } from '../sys/boot-time.ts';

/**
 * A moment by two clocks. The wall clock may jump (a board without a battery starts in 1970 until NTP answers); the
 * boot clock never does, but means something only within one boot of the kernel.
 */
export interface Instant {
  /** Milliseconds since 1970. */
  readonly wallMs: number;
  /** Milliseconds since the kernel started, suspend included (CLOCK_BOOTTIME). */
  readonly bootMs: number;
  /** Names the boot: /proc/sys/kernel/random/boot_id. */
  readonly bootId: string;
}

/** Time, as an argument, so that tests need not wait for it. */
export interface Clock {
  now(): Instant;
  /** Calls `callback` once after `delayMs` unless disposed of before; does not keep the process alive. */
  setTimer(delayMs: number, callback: () => void): Disposable;
}

/** setTimeout fires at once above 2^31-1 ms; a timer of a day never needs it, a far-off expiry is re-armed. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * The kernel's clocks.
 *
 * @throws Error where /proc is not mounted
 */
export function systemClock(): Clock {
  const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return {
    now: () => ({ wallMs: Date.now(), bootMs: Math.round(bootTimeMs()), bootId }),
    setTimer: (delayMs, callback) => {
      const timer = setTimeout(callback, Math.min(Math.max(delayMs, 0), LONGEST_TIMER_MS));
      timer.unref();
      return { [Symbol.dispose]: () => clearTimeout(timer) };
    },
  };
}
