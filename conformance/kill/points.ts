/**
 * Kills at a chosen system call: a call is recorded once under strace, then repeated once for each state-changing
 * system call it made, killed just before that one; then DEL alone, or GC alone, must leave nothing.
 *
 * strace counts per thread and per call, and the kill comes before the call runs, so the n-th point leaves the effects
 * of exactly the points before it. The write of the result and the exit are among the points.
 */

import { readFileSync } from 'node:fs';
import type { Config } from '../cni/configs.ts';
import { leaked, missing, snapshot } from '../cni/leaks.ts';
import { type Call, type Container, callSync, type World } from '../cni/world.ts';

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
  'ftruncate',
  'flock',
  'setns',
  'mount',
  'sendto',
  'ioctl',
  'clone',
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
  /** For a type that comes after another: what makes the pod's interface, with the executable beside `program`. */
  readonly base?: Config;
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
  /** Points at which the process did not die, though it has them each time. */
  readonly survived: readonly Point[];
  /** Points that only the recorded call had: what waits for a lock, or is interrupted, makes other calls than the next. */
  readonly once?: readonly Point[];
  readonly tally: ReadonlyMap<string, number>;
  readonly leaks: readonly string[];
  readonly failures: readonly string[];
}

/** A switch below /proc/sys is written again and again while another one holds the kernel's lock (restart_syscall). */
const restarted = / = \? ERESTART/;

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
    if (thread !== main || call === undefined || !stateChanging.includes(call) || restarted.test(line))
      continue;
    const n = (counts.get(call) ?? 0) + 1;
    counts.set(call, n);
    points.push({ call, n });
  }
  return points;
}

/** As people call it: `openat 3`. */
export const nameOf = ({ call, n }: Point): string => `${call} ${n}`;

const traceFile = '/run/points-trace';

function tracer(...options: string[]): string[] {
  return ['strace', '-qq', '-o', traceFile, '-e', `trace=${stateChanging.join(',')}`, ...options];
}

/** The calls of a plan, with what went wrong in those that were to succeed. */
export class Calls {
  readonly failures: string[] = [];
  readonly #program: string;
  readonly #config: Config;
  readonly #base: Config | undefined;
  /** What the base answered, by container. */
  readonly #previous = new Map<string, unknown>();

  constructor(program: string, config: Config, base?: Config) {
    this.#program = program;
    this.#config = config;
    this.#base = base;
  }

  /** @param valid what a GC is told to keep */
  call(
    command: 'ADD' | 'DEL' | 'GC',
    container: Container,
    valid: readonly Container[] = [],
    ofBase: boolean = false,
  ): Call {
    const { id, ifname, netns } = container;
    const config = ofBase && this.#base ? this.#base : this.#config;
    const program = `${this.#program.slice(0, this.#program.lastIndexOf('/'))}/${config.type}`;
    const prevResult = this.#previous.get(id);
    if (command !== 'GC') {
      // Its own result is nothing that the base needs: DEL does without one.
      const chained = ofBase || prevResult === undefined ? config : { ...config, prevResult };
      return { command, program, config: chained, containerId: id, ifname, netns };
    }
    const attachments = valid.map((one) => ({ containerID: one.id, ifname: one.ifname }));
    return { command, program, config: { ...config, 'cni.dev/valid-attachments': attachments } };
  }

  /** ADD of what comes before, if anything does. */
  addBase(container: Container): void {
    if (!this.#base) return;
    const stdout = this.expect(this.call('ADD', container, [], true), 'ADD of the plugin before');
    if (stdout !== '') this.#previous.set(container.id, JSON.parse(stdout));
  }

  /** DEL of all, the last first; or GC of all, the first first, as libcni does. */
  cleanUp(command: 'DEL' | 'GC', container: Container, what: string): void {
    const base = this.#base ? [this.call(command, container, [], true)] : [];
    const own = this.call(command, container);
    for (const call of command === 'DEL' ? [own, ...base] : [...base, own]) this.expect(call, what);
  }

  /** Calls, and notes when that fails. @returns what a good call printed */
  expect(call: Call, what: string): string {
    const { code, signal, stdout, stderr } = callSync(call);
    if (code === 0) return stdout;
    this.failures.push(`${what}: exit ${code ?? signal}: ${stdout}${stderr}`);
    return '';
  }

  /** The points of a call that is left to end. */
  record(call: Call): Point[] {
    this.expect({ ...call, wrapper: tracer('-f') }, 'recorded run');
    return pointsOf(readFileSync(traceFile, 'utf8'));
  }

  /**
   * Kills a call just before a point.
   *
   * @param alone leaves the programs alone that the call runs, which strace kills at the n-th of theirs as well; otherwise they
   * have ended, too, when this returns
   * @returns false if it did not die there
   */
  kill(call: Call, { call: name, n }: Point, alone: boolean = false): boolean {
    const wrapper = tracer(...(alone ? [] : ['-f']), '-e', `inject=${name}:signal=KILL:when=${n}`);
    const { code, signal } = callSync({ ...call, wrapper });
    return signal !== undefined || code === 137;
  }

  /** A container that comes after: it must get its network and give it back. */
  addAndDelete(world: World, when: string): void {
    const container = world.container('next');
    this.addBase(container);
    this.expect(this.call('ADD', container), `the next ADD ${when}`);
    this.cleanUp('DEL', container, `the next DEL ${when}`);
    world.remove(container);
  }
}

/** See the module's comment. After each clean-up the next pod's ADD and DEL must work. */
export function runPoints(plan: PointsPlan): PointsResult {
  const { world, command, cleanUp } = plan;
  const calls = new Calls(plan.program, plan.config, plan.base);
  const leaks: string[] = [];
  const tally = new Map<string, number>();
  /** What must have happened before the operation that is killed. */
  const prepare = (container: Container): void => {
    calls.addBase(container);
    if (command !== 'ADD') calls.expect(calls.call('ADD', container), 'ADD before the kill');
  };

  // Once untraced, so that bridge, tables and directories exist before the first snapshot.
  calls.addAndDelete(world, 'on a new node');

  const record = (): Point[] => {
    const recording = world.container('record');
    prepare(recording);
    const found = calls.record(calls.call(command, recording));
    calls.cleanUp('DEL', recording, 'DEL after the recording');
    world.remove(recording);
    return found;
  };
  const points = record();
  const chosen = plan.choose?.(points) ?? points;
  let before = snapshot();
  const dies = (point: Point, alone?: boolean): boolean => {
    const when = `after a kill at ${point.call} ${point.n}`;
    const container = world.container('killed');
    prepare(container);
    const isDead = calls.kill(calls.call(command, container), point, alone);
    if (isDead) tally.set(point.call, (tally.get(point.call) ?? 0) + 1);
    calls.cleanUp(cleanUp, container, `${cleanUp} ${when}`);
    const after = snapshot();
    leaks.push(...[...leaked(before, after), ...missing(before, after)].map((line) => `${when}: ${line}`));
    // What one point left is not told again at all that follow.
    before = after;
    world.remove(container);
    calls.addAndDelete(world, when);
    return isDead;
  };
  const survivors = chosen.filter((point) => !dies(point) && !dies(point, true));
  const again = new Set(survivors.length > 0 ? record().map(nameOf) : []);
  const survived = survivors.filter((point) => again.has(nameOf(point)));
  return {
    ...{ recorded: points.length, tried: chosen.length, survived, tally, leaks, failures: calls.failures },
    once: survivors.filter((point) => !survived.includes(point)),
  };
}
