/** A program that runs on a node for long: started, stopped, killed and started again. */

import { closeSync, openSync, readFileSync } from 'node:fs';
import type { Subprocess } from 'bun';
import type { LabNode } from './node.ts';
import { onlyChild } from './processes.ts';
import { cleanEnvironment, killQuietly } from './run.ts';

/** Of a line of a log: a crash quotes the minified source, line by endless line. */
const MAX_LINE = 300;

export class NodeProcess {
  readonly #node: LabNode;
  readonly #log: string;
  #nsenter: Subprocess | undefined;
  #pid: number | undefined;
  /** Settles when that is known, or never will be. */
  #starting: Promise<number> | undefined;

  /** @param log its output, as the holder sees it; a later start appends */
  constructor(node: LabNode, log: string) {
    this.#node = node;
    this.#log = log;
  }

  /** In the holder's numbering, or undefined while it does not run. */
  get pid(): number | undefined {
    return this.#pid;
  }

  /**
   * Starts it, in place of one that runs, and waits until it is ready.
   *
   * @param patience for the process to be there, in ms
   * @returns how long that took, in ms
   * @throws Error where it ends before it is ready, or whatever `ready` throws
   */
  async start(argv: readonly string[], patience: number, ready: () => Promise<void>): Promise<number> {
    await this.kill();
    const startedAt = performance.now();
    const log = openSync(this.#log, 'a');
    const child = Bun.spawn([...this.#node.enter, ...argv], {
      stdin: 'ignore',
      stdout: log,
      stderr: log,
      env: cleanEnvironment({ NODE_NAME: this.#node.name }),
      cwd: '/',
    });
    closeSync(log);
    this.#nsenter = child;
    const ended = child.exited.then((code) => {
      throw new Error(`it ended with exit code ${code}`);
    });
    ended.catch(() => {});
    this.#starting = onlyChild(child.pid, patience);
    this.#pid = await this.#starting;
    const waiting = ready();
    waiting.catch(() => {});
    await Promise.race([waiting, ended]);
    return performance.now() - startedAt;
  }

  get hasEnded(): boolean {
    return this.#nsenter?.exitCode !== null;
  }

  /** SIGTERM, as a supervisor stops it, and waits for the end. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM');
  }

  /** SIGKILL, and waits for the end. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  async #end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    // One that has only just been started has no number yet: without a signal its end would be waited for without an end.
    await this.#starting?.then(
      (pid) => {
        this.#pid = pid;
      },
      () => {},
    );
    if (this.#pid !== undefined) killQuietly(this.#pid, signal);
    await this.#nsenter?.exited;
    this.#pid = undefined;
    this.#starting = undefined;
  }

  /** The last lines of its log. */
  logTail(lines: number): string {
    try {
      const all = readFileSync(this.#log, 'utf8').trimEnd().split('\n');
      return all
        .map((line) => line.slice(0, MAX_LINE))
        .slice(-lines)
        .join('\n');
    } catch {
      return '';
    }
  }
}
