/** A server that a test or the lab starts, stops, freezes and kills; the kernel ends it when its starter ends. */

import { closeSync, mkdirSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Subprocess } from 'bun';
import { slowness } from './slowness.ts';

export interface DaemonOptions {
  /** For messages. */
  readonly name: string;
  readonly command: readonly string[];
  /** Its output; a restart appends. */
  readonly log: string;
  /** What enters another network namespace, such as `nsenter --target=7 --net --`; it must not fork. */
  readonly enter?: readonly string[];
  /** The whole environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Throws until the server answers. */
  ready(): Promise<void>;
  /** Longest wait for that, in ms, on an idle machine. */
  readonly startLimitMs: number;
}

/** A server that ends on SIGTERM has this long, in ms, before it is killed. */
const STOP_LIMIT_MS = 10_000 * slowness;
/** A busy machine may be this many times slower than an idle one. */
const PATIENCE = 4 * slowness;

export class TestDaemon implements AsyncDisposable {
  readonly #options: DaemonOptions;
  #child: Subprocess | undefined;

  constructor(options: DaemonOptions) {
    this.#options = options;
  }

  /** Its process, or undefined while it does not run. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Starts it and waits until it answers. @throws Error with the end of its log where it does not in time */
  async start(): Promise<void> {
    const { name, command, log, enter = [], env = {}, startLimitMs } = this.#options;
    if (this.#child !== undefined) throw new Error(`${name} is running`);
    mkdirSync(dirname(log), { recursive: true });
    const output = openSync(log, 'a');
    // setpriv(1) and what enters a namespace replace themselves: the signal and the number stay the server's own.
    const child = Bun.spawn(['setpriv', '--pdeathsig', 'KILL', '--', ...enter, ...command], {
      stdin: 'ignore',
      stdout: output,
      stderr: output,
      env: { PATH: process.env['PATH'] ?? '', ...env },
      cwd: '/',
    });
    closeSync(output);
    this.#child = child;
    const deadline = performance.now() + startLimitMs * PATIENCE;
    for (;;) {
      try {
        await this.#options.ready();
        return;
      } catch (error) {
        const ended = child.exitCode ?? child.signalCode;
        const late = performance.now() > deadline;
        if (ended === null && !late) {
          await Bun.sleep(20);
          continue;
        }
        await this.kill();
        const why = ended === null ? `does not answer (${String(error)})` : `ended (${ended})`;
        throw new Error(`${name} ${why}\n${this.logTail(15)}`, { cause: error });
      }
    }
  }

  /** SIGTERM, and SIGKILL where that does not help. */
  async stop(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    this.resume();
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
    await child.exited;
    clearTimeout(timer);
    this.#child = undefined;
  }

  /** As a crash: nothing is said to anybody. */
  async kill(): Promise<void> {
    this.#child?.kill('SIGKILL');
    await this.#child?.exited;
    this.#child = undefined;
  }

  /** Connections stay open, and nobody answers. Resolves when its last thread stands still. */
  async pause(): Promise<void> {
    const child = this.#child;
    child?.kill('SIGSTOP');
    while (child !== undefined && child.exitCode === null && !isStopped(child.pid)) await Bun.sleep(1);
  }

  resume(): void {
    this.#child?.kill('SIGCONT');
  }

  /** The last lines of its log. */
  logTail(lines: number): string {
    try {
      return readFileSync(this.#options.log, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
    } catch {
      return '';
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }
}

/** Whether all threads are stopped by a signal: state T, after the name in parentheses (proc_pid_stat(5)). */
function isStopped(pid: number): boolean {
  return readdirSync(`/proc/${pid}/task`).every((thread) => {
    try {
      const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'latin1');
      return stat.split(') ').at(-1)?.startsWith('T');
    } catch {
      // It has ended.
      return true;
    }
  });
}
