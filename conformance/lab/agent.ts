/** The agent of a node: the compiled executable or flanneld, started, killed and started again. */

import { closeSync, openSync, readFileSync, statSync } from 'node:fs';
import type { Subprocess } from 'bun';
import { slowness } from '../testing/slowness.ts';
import { SUBNET_ENV } from './kernel-state.ts';
import type { LabNode } from './node.ts';
import type { LabOptions } from './options.ts';
import { onlyChild } from './processes.ts';
import { commandOf, HEALTH_PORT, type ProgramName, programOf } from './programs.ts';
import { cleanEnvironment, killQuietly } from './run.ts';

const READY_URL = `http://127.0.0.1:${HEALTH_PORT}/readyz`;
const READY_TIMEOUT = 15_000 * slowness;
const MAX_LINE = 300;

export interface AgentSettings {
  readonly options: LabOptions;
  /** See `LabStore.flags`. */
  readonly storeFlags: readonly string[];
  /** A directory of the lab's tmpfs as the holder sees it. */
  readonly logs: string;
}

export class Agent {
  readonly #node: LabNode;
  readonly #settings: AgentSettings;
  readonly #log: string;
  #program: ProgramName;
  #nsenter: Subprocess | undefined;
  #pid: number | undefined;

  constructor(node: LabNode, settings: AgentSettings) {
    this.#node = node;
    this.#settings = settings;
    this.#program = programOf(node, settings.options);
    this.#log = `${settings.logs}/${node.name}-agent.log`;
  }

  get program(): ProgramName {
    return this.#program;
  }

  /** Its process in the holder's numbering, or undefined while it does not run. */
  get pid(): number | undefined {
    return this.#pid;
  }

  /**
   * Starts it, in place of one that runs.
   *
   * @param program another than it was
   * @returns how long that took, in ms, from the start of its process
   * @throws Error with the end of its log if it is not ready in time
   */
  async start(program: ProgramName = this.#program): Promise<number> {
    await this.kill();
    this.#program = program;
    const before = this.#subnetFile();
    const log = openSync(this.#log, 'a');
    const { storeFlags, options } = this.#settings;
    const startedAt = performance.now();
    const child = Bun.spawn([...this.#node.enter, ...commandOf(program, storeFlags, options)], {
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
    const ready = program === 'flanneld' ? this.#wrote(before, child) : this.#saysReady();
    try {
      await Promise.race([ready, ended]);
      return performance.now() - startedAt;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new Error(`${program} on ${this.#node.name} is not ready: ${why}\n${this.logTail(12)}`, {
        cause: error,
      });
    } finally {
      ended.catch(() => {});
      ready.catch(() => {});
    }
  }

  async #saysReady(): Promise<void> {
    await this.#node.probe.ask({ op: 'ready', url: READY_URL, timeout: READY_TIMEOUT });
  }

  /** flanneld has no way to ask: writing subnet.env is the last thing it does before it waits for events. */
  async #wrote(before: string, child: Subprocess): Promise<void> {
    const deadline = performance.now() + READY_TIMEOUT;
    while (this.#subnetFile() === before) {
      if (child.exitCode !== null) return;
      if (performance.now() > deadline) throw new Error(`no new ${SUBNET_ENV} after ${READY_TIMEOUT} ms`);
      await Bun.sleep(5);
    }
  }

  /** Tells one file of this path from another: it is replaced, not written to. */
  #subnetFile(): string {
    try {
      const { ino, mtimeMs } = statSync(this.#node.path(SUBNET_ENV));
      return `${ino} ${mtimeMs}`;
    } catch {
      return '';
    }
  }

  /** SIGTERM, as a supervisor stops it, and waits for the end. */
  async stop(): Promise<void> {
    if (this.#pid !== undefined) killQuietly(this.#pid, 'SIGTERM');
    await this.#nsenter?.exited;
    this.#pid = undefined;
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
