/**
 * Calls that are killed at a random moment of their own work.
 *
 * A call runs under strace, whose trace tells three things: which process to kill, when its own work began (the read
 * of the configuration on stdin is the first thing a plugin does; before that the loader and the runtime start up, and
 * a kill there proves nothing), and which call was the last one completed.
 */

import { readFileSync, unlinkSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { quantile } from '../bench/figure.ts';
import { type Answer, type Call, startCall } from '../cni/world.ts';

/** What plugins call: the rest (memory, threads, signals) is the runtime's, and tracing it would only slow it down. */
const ownCalls: readonly string[] = [
  'read',
  'write',
  'openat',
  'close',
  'statx',
  'flock',
  'fsync',
  'ioctl',
  'getdents64',
  'linkat',
  'unlinkat',
  'renameat2',
  'mkdirat',
  'symlinkat',
  'fchmodat',
  'readlinkat',
  'ftruncate',
  'socket',
  'setsockopt',
  'bind',
  'getsockname',
  'sendto',
  'recvfrom',
  'setns',
  'mount',
  'umount2',
  'exit_group',
];

/** Where a traced process began its own work. */
export interface Beginning {
  readonly pid: number;
  /** Milliseconds since the epoch, by the tracer's clock. */
  readonly at: number;
}

/** When the process began to read its configuration; undefined before that. @param trace of `strace -f -ttt -o` */
export function beginningOf(trace: string): Beginning | undefined {
  const [, pid, seconds] = /^(\d+) +(\d+\.\d+) read\(0,/m.exec(trace) ?? [];
  return pid === undefined ? undefined : { pid: Number(pid), at: Number(seconds) * 1000 };
}

/** When the last line of a trace was written, in milliseconds since the epoch. */
export function endOf(trace: string): number {
  return Number([...trace.matchAll(/^\d+ +(\d+\.\d+) /gm)].at(-1)?.[1]) * 1000;
}

/** The name of the last system call that was completed in a trace of `strace -f`, or `start` before the first. */
export function lastCall(trace: string): string {
  const calls = trace.matchAll(
    /^\d+ +(?:\d+\.\d+ )?(?:<\.\.\. )?(?:(exit_group)\(|([a-z_0-9]+)(?:\(| resumed>).* = (?!\?))/gm,
  );
  const last = [...calls].at(-1);
  return last?.[1] ?? last?.[2] ?? 'start';
}

/** A kill that found its process at work. */
export interface Kill {
  readonly lastCall: string;
  /** How far into the span of such a call it came: 0 at its beginning, 1 at its end or later. */
  readonly share: number;
}

const now = (): number => performance.timeOrigin + performance.now();

/** Traces calls, learns how long each operation works, and kills some of them. */
export class Tracer {
  /** Milliseconds from the beginning of the own work to the end, of every call that was left to end. */
  readonly #spans = new Map<Call['command'], number[]>();
  #count = 0;

  /** Calls, traced, and lets it end: one more measurement. */
  async measure(call: Call): Promise<Answer> {
    const { answer } = await this.#run(call);
    return answer;
  }

  /** How long an operation works: three quarters of the calls measured so far took no longer. */
  span(command: Call['command']): number {
    return quantile(this.#spans.get(command) ?? [], 0.75);
  }

  /**
   * Calls, and kills the process (not the tracer) at `moment`, a share of the operation's span.
   *
   * @returns without `kill` where the call had ended before, which is one more measurement
   */
  killAt(call: Call, moment: number): Promise<{ answer: Answer; kill?: Kill }> {
    return this.#run(call, moment * this.span(call.command));
  }

  async #run(call: Call, afterMs?: number): Promise<{ answer: Answer; kill?: Kill }> {
    const file = `/run/trace-${++this.#count}`;
    const running = startCall({ ...call, wrapper: tracer(file) });
    let ended = false;
    const end = running.answer.finally(() => {
      ended = true;
    });
    let beginning: Beginning | undefined;
    let killed = 0;
    while (!ended && afterMs !== undefined && beginning === undefined) {
      await delay(1);
      beginning = beginningOf(readTrace(file));
    }
    if (beginning !== undefined && afterMs !== undefined) {
      await Promise.race([delay(Math.max(0, beginning.at + afterMs - now())), end]);
      killed = now();
      // The tracer reaps the process and then ends itself; while it has not, the number is still this process's.
      if (!ended) tryKill(beginning.pid);
    }
    const answer = await end;
    const trace = readTrace(file);
    unlinkSync(file);
    const from = beginningOf(trace)?.at ?? Number.NaN;
    if (answer.signal !== 'SIGKILL' && answer.code !== 137) {
      if (!Number.isNaN(from)) this.#add(call.command, endOf(trace) - from);
      return { answer };
    }
    const share = Math.min(1, (killed - from) / this.span(call.command));
    return { answer, kill: { lastCall: lastCall(trace), share } };
  }

  #add(command: Call['command'], ms: number): void {
    this.#spans.set(command, [...(this.#spans.get(command) ?? []), ms]);
  }
}

function tracer(file: string): string[] {
  return ['strace', '-f', '-qq', '-ttt', '--seccomp-bpf', '-o', file, '-e', `trace=${ownCalls.join(',')}`];
}

function tryKill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    // It has ended in this moment.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function readTrace(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}
