/** How long to wait for an answer before asking again. Pure. */

/** A number from 0 up to, but without, 1. */
export type Random = () => number;

/** Before the second message; doubled for each further one, and spread by a second both ways (RFC 2131 section 4.1). */
const FIRST = 4000;
const SPREAD = 1000;

/** Renewals are not asked for more often (RFC 2131 section 4.4.5). */
const LEAST_BETWEEN_RENEWALS = 60_000;

/** Milliseconds after the message number `attempt`, from 0. @param most the longest delay, without its spread */
export function resendDelay(attempt: number, most: number, random: Random): number {
  const base = Math.min(FIRST * 2 ** Math.min(attempt, 20), most);
  return Math.max(0, base + SPREAD * (2 * random() - 1));
}

/** When to ask again for a renewal: after half of what is left, a minute at least; `end` at the latest. */
export function nextRenewal(now: number, end: number): number {
  return Math.min(end, now + Math.max(LEAST_BETWEEN_RENEWALS, (end - now) / 2));
}

/** A moment of a lease, somewhat earlier: clients that began together shall not ask together for ever. */
export function fuzzed(ms: number, random: Random): number {
  return ms * (1 - 0.05 * random());
}
