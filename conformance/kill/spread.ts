/** Whether kills were as many as asked for, and came at all moments of the calls they hit. Pure. */

import type { Kill } from './traced.ts';

/** A kill, and the operation that it ended. */
export interface Hit extends Kill {
  readonly command: 'ADD' | 'DEL';
}

/** Different last calls that a full run shows at least; a sample of fewer than 48 kills shows one for every eight. */
const mostCalls = 6;

/** Kills from which on each third of the time must have some: with 25, a third is missed once in 25,000 runs. */
const enough = 25;

/** What is wrong with the kills of a run in which `asked` were to be made; empty if nothing. */
export function spreadProblems(hits: readonly Hit[], asked: number): string[] {
  const problems: string[] = [];
  if (hits.length < 0.9 * asked) problems.push(`only ${hits.length} of ${asked} kills found a call at work`);
  const calls = new Set(hits.map(({ lastCall }) => lastCall)).size;
  const needed = Math.min(mostCalls, Math.floor(asked / 8));
  if (calls < needed)
    problems.push(`kills after ${calls} different system calls, ${needed} at least are needed`);
  if (asked >= enough) {
    for (const [third, count] of thirds(hits).entries())
      if (count === 0) problems.push(`no kill in third ${third + 1} of the run time`);
  }
  return problems;
}

/** Kills in the first, second and last third of the time that such a call takes. */
export function thirds(hits: readonly Hit[]): [number, number, number] {
  const counts: [number, number, number] = [0, 0, 0];
  for (const { share } of hits) counts[Math.min(2, Math.floor(share * 3)) as 0 | 1 | 2] += 1;
  return counts;
}

/** One line: `ADD 12 kills, thirds of the time 4/5/3, after sendto 5, openat 4, …`. */
export function describeHits(hits: readonly Hit[], command: Hit['command']): string {
  const chosen = hits.filter((hit) => hit.command === command);
  const tally = new Map<string, number>();
  for (const { lastCall } of chosen) tally.set(lastCall, (tally.get(lastCall) ?? 0) + 1);
  const calls = [...tally].sort(([, a], [, b]) => b - a).map(([call, count]) => `${call} ${count}`);
  return `${command} ${chosen.length} kills, thirds of the time ${thirds(chosen).join('/')}, after ${calls.join(', ') || '–'}`;
}
