/**
 * Which node takes a claim that binds at once: each that has room waits for a while of its own and then writes itself into the
 * claim, unless another was first. The wait is the shorter the more room a node has, so that volumes spread. Pure.
 *
 * The rule is external-provisioner's (--node-deployment), with a window of 2 s in place of 20 s: its watch of claims has shown
 * the first node's write to the others long before most of a thousand nodes come to their turn.
 */

/** In ms. */
const WINDOW = 2000;
const LONGEST_WINDOW = 60_000;
/** A node without room looks again after this long, in ms. */
export const NO_ROOM_MS = 60_000;

/**
 * How long to wait, in ms.
 *
 * @param available bytes that this node has for such a volume; undefined: it does not tell
 * @param attempt how often this node took the claim already, and could not make its volume
 */
export function electionDelay(
  requested: bigint,
  available: bigint | undefined,
  attempt: number,
  random: number,
): number {
  const window = Math.min(LONGEST_WINDOW, WINDOW * 2 ** Math.min(attempt, 10));
  return (window * (scarcity(requested, available) + random)) / 2;
}

/** From 0, endless room, to 1: all the room is asked for. */
function scarcity(requested: bigint, available: bigint | undefined): number {
  if (available === undefined || available <= 0n) return 1;
  return Math.min(1, Number(requested) / Number(available));
}
