/** The agent of a node: the compiled executable or flanneld, started, killed and started again. */

import { statSync } from 'node:fs';
import { slowness } from '../testing/slowness.ts';
import { SUBNET_ENV } from './kernel-state.ts';
import type { LabNode } from './node.ts';
import { NodeProcess } from './node-process.ts';
import type { LabOptions } from './options.ts';
import { commandOf, HEALTH_PORT, type ProgramName, programOf } from './programs.ts';

const READY_URL = `http://127.0.0.1:${HEALTH_PORT}/readyz`;
const READY_TIMEOUT = 15_000 * slowness;

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
  readonly #process: NodeProcess;
  #program: ProgramName;

  constructor(node: LabNode, settings: AgentSettings) {
    this.#node = node;
    this.#settings = settings;
    this.#program = programOf(node, settings.options);
    this.#process = new NodeProcess(node, `${settings.logs}/${node.name}-agent.log`);
  }

  get program(): ProgramName {
    return this.#program;
  }

  /** Its process in the holder's numbering, or undefined while it does not run. */
  get pid(): number | undefined {
    return this.#process.pid;
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
    const { storeFlags, options } = this.#settings;
    const command = commandOf(program, storeFlags, options);
    try {
      return await this.#process.start(command, READY_TIMEOUT, () =>
        program === 'flanneld' ? this.#wrote(before) : this.#saysReady(),
      );
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new Error(`${program} on ${this.#node.name} is not ready: ${why}\n${this.logTail(12)}`, {
        cause: error,
      });
    }
  }

  async #saysReady(): Promise<void> {
    await this.#node.probe.ask({ op: 'ready', url: READY_URL, timeout: READY_TIMEOUT });
  }

  /** flanneld has no way to ask: writing subnet.env is the last thing it does before it waits for events. */
  async #wrote(before: string): Promise<void> {
    const deadline = performance.now() + READY_TIMEOUT;
    while (this.#subnetFile() === before) {
      if (this.#process.hasEnded) return;
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
  stop(): Promise<void> {
    return this.#process.stop();
  }

  /** SIGKILL, and waits for the end. */
  kill(): Promise<void> {
    return this.#process.kill();
  }

  /** The last lines of its log. */
  logTail(lines: number): string {
    return this.#process.logTail(lines);
  }
}
