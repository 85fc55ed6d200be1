/**
 * Kills at a chosen system call: a call is recorded once under strace, then repeated once for each state-changing
 * system call it made, killed just before that one; then DEL alone, or GC alone, must leave nothing.
 *
 * strace counts per thread and per call, and the kill comes before the call runs, so the n-th point leaves the effects
 * of exactly the points before it. The write of the result and the exit are among the points.
 */

import { readFileSync } from 'node:fs';
import type { Config } from '../cni/configs.ts';
import { leaked, snapshot } from '../cni/leaks.ts';
import { type Answer, type Call, type Container, callSync, type World } from '../cni/world.ts';

/** System calls that change something others can see, or end the process. */
export const stateChanging: readonly string[] = [
  'openat',
  'write',
  'linkat',
  'unlinkat',
  'renameat2',
  'mkdirat',
  'symlinkat',
  'fchmodat',
  'fsync',
  'flock',
  'setns',
  'mount',
  'sendto',
  'exit_group',
];

/** The n-th call (from 1) of a name by the thread that made it. */
export interface Point {
  readonly call: string;
  readonly n: number;
}

/** What to try. */
export interface PointsPlan {
  readonly world: World;
  readonly program: string;
  readonly config: Config;
  /** The operation that is killed. */
  readonly command: 'ADD' | 'DEL' | 'GC';
  readonly cleanUp: 'DEL' | 'GC';
  /** Which of the points to try; all unless given (the quick tiers take a seeded sample). */
  readonly choose?: (points: readonly Point[]) => readonly Point[];
}

/** What came of it. */
export interface PointsResult {
  /** Points that the recorded call has. */
  readonly recorded: number;
  readonly tried: number;
  /** Tries in which the process did not die at its point. */
  readonly survived: number;
  readonly tally: ReadonlyMap<string, number>;
  readonly leaks: readonly string[];
  readonly failures: readonly string[];
}

/**
 * The points of a recorded run: each state-changing call of the main thread, counted by name.
 *
 * @param trace what `strace -f -o` wrote; the first line's thread is the main one
 */
export function pointsOf(trace: string): Point[] {
  const lines = trace.split('\n');
  const main = /^(\d+) /.exec(lines[0] ?? '')?.[1];
  const counts = new Map<string, number>();
  const points: Point[] = [];
  for (const line of lines) {
    const [, thread, call] = /^(\d+) +([a-z_0-9]+)\(/.exec(line) ?? [];
    if (thread !== main || call === undefined || !stateChanging.includes(call)) continue;
    const n = (counts.get(call) ?? 0) + 1;
    counts.set(call, n);
    points.push({ call, n });
  }
  return points;
}

const traceFile = '/run/points-trace';

function tracer(...options: string[]): string[] {
  return ['strace', '-f', '-qq', '-o', traceFile, '-e', `trace=${stateChanging.join(',')}`, ...options];
}

/** See the module's comment. */
export function runPoints(plan: PointsPlan): PointsResult {
  const { world, program, config, command, cleanUp } = plan;
  const failures: string[] = [];
  const leaks: string[] = [];
  const tally = new Map<string, number>();
  const gcKeys = { 'cni.dev/valid-attachments': [] };

  const call = (operation: Call['command'], container: Container): Call =>
    operation === 'GC'
      ? { command: 'GC', program, config: { ...config, ...gcKeys } }
      : {
          command: operation,
          program,
          config,
          containerId: container.id,
          ifname: container.ifname,
          netns: container.netns,
        };
  const note = (answer: Answer, what: string): void => {
    if (answer.code !== 0)
      failures.push(`${what}: exit ${answer.code ?? answer.signal}: ${answer.stdout}${answer.stderr}`);
  };
  /** What must have happened before the operation that is killed. */
  const prepare = (container: Container): void => {
    if (command !== 'ADD') note(callSync(call('ADD', container)), 'ADD before the kill');
  };

  // Once untraced, so that bridge, tables and directories exist before the first snapshot.
  const first = world.container('first');
  note(callSync(call('ADD', first)), 'first ADD');
  note(callSync(call('DEL', first)), 'first DEL');
  world.remove(first);

  const recording = world.container('record');
  prepare(recording);
  note(callSync({ ...call(command, recording), wrapper: tracer() }), 'recorded run');
  const points = pointsOf(readFileSync(traceFile, 'utf8'));
  note(callSync(call('DEL', recording)), 'DEL after the recording');
  world.remove(recording);

  const chosen = plan.choose?.(points) ?? points;
  const before = snapshot();
  let survived = 0;
  for (const point of chosen) {
    const container = world.container('killed');
    prepare(container);
    const inject = tracer('-e', `inject=${point.call}:signal=KILL:when=${point.n}`);
    const answer = callSync({ ...call(command, container), wrapper: inject });
    if (answer.signal === undefined && answer.code !== 137) survived += 1;
    else tally.set(point.call, (tally.get(point.call) ?? 0) + 1);
    note(callSync(call(cleanUp, container)), `${cleanUp} after a kill at ${point.call} ${point.n}`);
    const left = leaked(before, snapshot()).map((line) => `killed at ${point.call} ${point.n}: ${line}`);
    leaks.push(...left);
    world.remove(container);
  }
  return { recorded: points.length, tried: chosen.length, survived, tally, leaks, failures };
}
