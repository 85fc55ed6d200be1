/** When a lease ends. Pure. */

import type { Instant } from './clock.ts';

export interface LeaseTerm {
  readonly renewed: Instant;
  readonly durationMs: number;
}

/**
 * Milliseconds until the lease ends, 0 or less where it has ended.
 *
 * Within the boot in which it was renewed the boot clock counts, so that NTP setting the time by years ends no lease
 * and prolongs none. After a reboot only the wall clock is left.
 */
export function remainingMs(term: LeaseTerm, now: Instant): number {
  const { renewed, durationMs } = term;
  const elapsed = now.bootId === renewed.bootId ? now.bootMs - renewed.bootMs : now.wallMs - renewed.wallMs;
  return durationMs - elapsed;
}

/** True once the full duration has passed. */
export function isExpired(term: LeaseTerm, now: Instant): boolean {
  return remainingMs(term, now) <= 0;
}

/** The end of the lease in milliseconds since 1970, by the wall clock as it is set now. */
export function expiresAtMs(term: LeaseTerm, now: Instant): number {
  return now.wallMs + remainingMs(term, now);
}
