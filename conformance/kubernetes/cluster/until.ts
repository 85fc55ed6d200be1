/** Waiting for what others do, with a bound. */

/** Between two looks, in ms: what is looked at costs a process or a call of the API. */
const PAUSE_MS = 250;

/**
 * Asks until the answer is not undefined. What it throws counts as "not yet".
 *
 * @param what for the message, e.g. `node1 to be ready`
 * @throws Error with the last reason when time is over
 */
export async function until<T>(
  what: string,
  limitMs: number,
  ask: () => Promise<T | undefined> | T | undefined,
): Promise<T> {
  const deadline = performance.now() + limitMs;
  let reason: unknown;
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== undefined) return answer;
      reason = undefined;
    } catch (error) {
      reason = error;
    }
    if (performance.now() > deadline) {
      const why = reason === undefined ? '' : `: ${String(reason)}`;
      throw new Error(`waited ${(limitMs / 1000).toFixed(0)} s for ${what}${why}`, { cause: reason });
    }
    await Bun.sleep(PAUSE_MS);
  }
}
