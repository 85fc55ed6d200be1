/**
 * Keeps the agent from fighting: what is undone again and again is repaired ever less often instead of at once. Each
 * object has a bucket of repairs that fills up again with time. Pure, given the time.
 */

/** Repairs at once before the limit bites, and how long one more takes to be allowed (ms). */
const BURST = 10;
const REFILL = 10_000;
/** Buckets in memory before full ones are thrown away. */
const SWEEP = 5000;

interface Bucket {
  tokens: number;
  /** When `tokens` was true. */
  at: number;
  told: boolean;
}

export interface Permission {
  readonly allowed: boolean;
  /** Set on the first refusal of a fight: the moment to log it. */
  readonly fightBegins: boolean;
  /** When refused: milliseconds until the next repair is allowed. */
  readonly waitMs: number;
}

export class RepairLimiter {
  readonly #buckets = new Map<string, Bucket>();

  /** Asks to repair an object, and counts it if allowed. @param now milliseconds, monotonic */
  ask(object: string, now: number): Permission {
    if (this.#buckets.size > SWEEP) this.#sweep(now);
    const bucket = this.#buckets.get(object) ?? { tokens: BURST, at: now, told: false };
    this.#buckets.set(object, bucket);
    fill(bucket, now);
    if (bucket.tokens >= 1) {
      bucket.tokens -= 1;
      return { allowed: true, fightBegins: false, waitMs: 0 };
    }
    const fightBegins = !bucket.told;
    bucket.told = true;
    return { allowed: false, fightBegins, waitMs: Math.ceil((1 - bucket.tokens) * REFILL) };
  }

  #sweep(now: number): void {
    for (const [object, bucket] of this.#buckets) {
      fill(bucket, now);
      if (bucket.tokens >= BURST) this.#buckets.delete(object);
    }
  }
}

function fill(bucket: Bucket, now: number): void {
  bucket.tokens = Math.min(BURST, bucket.tokens + (now - bucket.at) / REFILL);
  bucket.at = now;
  if (bucket.tokens >= BURST) bucket.told = false;
}
