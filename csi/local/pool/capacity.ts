/** How much room a pool has for new volumes, so that what was promised can always be kept. Pure. */

/** What a volume or snapshot takes of its pool. */
export interface Claim {
  /** Bytes that its user was promised. */
  readonly size: number;
  /** Bytes that it has taken of the file system already, and that nobody shares with it. */
  readonly taken: number;
}

export interface PoolSpace {
  /** Bytes of the file system the pool is on. */
  readonly total: number;
  /** Bytes that are free on it, for root. */
  readonly available: number;
  /** Bytes that nobody gets: room for the file system's own needs, and for what others on it write. */
  readonly reserve: number;
}

/**
 * Bytes that may be promised to a new volume: what is neither promised by size, whoever has written how little of it, nor
 * needed for promises that are not taken up yet. Never negative.
 *
 * A copy by reflink shares its blocks until one side is written, so that it takes nothing at first and everything in the end:
 * its `taken` is 0.
 */
export function roomFor({ total, available, reserve }: PoolSpace, claims: Iterable<Claim>): number {
  let promised = 0;
  let open = 0;
  for (const { size, taken } of claims) {
    promised += size;
    open += Math.max(0, size - taken);
  }
  return Math.max(0, Math.min(total - promised, available - open) - reserve);
}
