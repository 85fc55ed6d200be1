/** The agent of a node: the compiled executable, started, killed and started again. */

import { closeSync, openSync, readFileSync } from 'node:fs';
import type { Subprocess } from 'bun';
import { slowness } from '../testing/slowness.ts';
import type { LabNode } from './node.ts';
import { SHARED } from './node-root.ts';
import { onlyChild } from './processes.ts';
import { cleanEnvironment, killQuietly } from './run.ts';

/** Where the lab keeps what the nodes share. */
export const STORE: string = `${SHARED}/store.db`;
export const NET_CONF: string = '/etc/underpod/net-conf.json';
/** The executable as `underpod install` puts it in place. */
export const UNDERPOD: string = '/usr/local/bin/underpod';
/** The agent's metrics and health port (design.md, "Names and places"). */
const READY_URL = 'http://127.0.0.1:9320/readyz';
const READY_TIMEOUT = 15_000 * slowness;
const MAX_LINE = 300;

export class Agent {
  readonly #node: LabNode;
  readonly #repair: boolean;
  readonly #log: string;
  #nsenter: Subprocess | undefined;
  #pid: number | undefined;

  /** @param logs a directory of the lab's tmpfs as the holder sees it */
  constructor(node: LabNode, repair: boolean, logs: string) {
    this.#node = node;
    this.#repair = repair;
    this.#log = `${logs}/${node.name}-agent.log`;
  }

  /** Its process in the holder's numbering, or undefined while it does not run. */
  get pid(): number | undefined {
    return this.#pid;
  }

  /** Starts it, in place of one that runs. @throws Error with the end of its log if it is not ready in time */
  async start(): Promise<void> {
    await this.kill();
    const log = openSync(this.#log, 'a');
    const child = Bun.spawn([...this.#node.enter, ...this.command()], {
      stdin: 'ignore',
      stdout: log,
      stderr: log,
      env: cleanEnvironment({ NODE_NAME: this.#node.name }),
      cwd: '/',
    });
    closeSync(log);
    this.#nsenter = child;
    this.#pid = await onlyChild(child.pid, READY_TIMEOUT);
    const ended = child.exited.then((code) => {
      throw new Error(`it ended with exit code ${code}`);
    });
    const ready = this.#node.probe.ask({ op: 'ready', url: READY_URL, timeout: READY_TIMEOUT });
    try {
      await Promise.race([ready, ended]);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new Error(`the agent on ${this.#node.name} is not ready: ${why}\n${this.logTail(12)}`, {
        cause: error,
      });
    } finally {
      ended.catch(() => {});
      ready.catch(() => {});
    }
  }

  /** The command line, as an administrator would write it. */
  command(): string[] {
    return [
      UNDERPOD,
      'agent',
      `--store=${STORE}`,
      '--state-dir=/var/lib/underpod',
      `--net-config-path=${NET_CONF}`,
      ...(this.#repair ? [] : ['--repair=false']),
    ];
  }

  /** SIGKILL, and waits for the end. */
  async kill(): Promise<void> {
    if (this.#pid !== undefined) killQuietly(this.#pid);
    await this.#nsenter?.exited;
    this.#pid = undefined;
  }

  /** The last lines of its log. */
  logTail(lines: number): string {
    try {
      const all = readFileSync(this.#log, 'utf8').trimEnd().split('\n');
      // A crash quotes the minified source, line by endless line.
      return all
        .map((line) => line.slice(0, MAX_LINE))
        .slice(-lines)
        .join('\n');
    } catch {
      return '';
    }
  }
}
