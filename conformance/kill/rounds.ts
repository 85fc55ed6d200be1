/**
 * ADD and DEL rounds, several at a time, a share of them killed at a random moment; then a look at what is left.
 *
 * A killed call runs under strace, so that the last system call it completed can be tallied: the tally shows whether
 * the kills really were spread over the call. Its run time under strace is measured first and the moment of the kill
 * drawn evenly from it.
 */

import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Config } from '../cni/configs.ts';
import { leaked, snapshot } from '../cni/leaks.ts';
import { type Answer, type Call, type Container, callSync, startCall, type World } from '../cni/world.ts';
import { Random } from '../testing/random.ts';

/** What to run. */
export interface RoundsPlan {
  readonly world: World;
  readonly program: string;
  readonly config: Config;
  readonly rounds: number;
  readonly parallel: number;
  /** Share of the rounds in which a call is killed, 0 to 1. */
  readonly killShare: number;
  /** What cleans up after a kill: DEL of the attachment, or nothing but GC of the network at the end. */
  readonly cleanUp: 'DEL' | 'GC';
  readonly seed: number;
}

/** What came of it. */
export interface RoundsResult {
  readonly rounds: number;
  readonly killed: number;
  /** Kills that came after the call had ended. */
  readonly late: number;
  /** How often each system call was the last one completed before the kill. */
  readonly tally: ReadonlyMap<string, number>;
  /** What is left that should not be, and what is gone that should not be. Empty if all is well. */
  readonly leaks: readonly string[];
  /** Calls that failed though nobody killed them. */
  readonly failures: readonly string[];
}

/** The name of the last system call in a trace of `strace -f -o`, or `start` before the first. */
export function lastCall(trace: string): string {
  const calls = trace.matchAll(/^\d+ +(?:<\.\.\. )?([a-z_0-9]+)(?:\(| resumed>).* = /gm);
  return [...calls].at(-1)?.[1] ?? 'start';
}

class Rounds {
  readonly #plan: RoundsPlan;
  readonly #random: Random;
  readonly #tally = new Map<string, number>();
  readonly #failures: string[] = [];
  /** What GC must leave alone. */
  readonly #valid: { container: Container; result: unknown }[] = [];
  #killed = 0;
  #late = 0;
  #traced = 20;
  #trace = 0;

  constructor(plan: RoundsPlan) {
    this.#plan = plan;
    this.#random = new Random(plan.seed);
  }

  #call(command: Call['command'], container?: Container, extra: Record<string, unknown> = {}): Call {
    const { program, config } = this.#plan;
    const base: Call = { command, program, config: { ...config, ...extra } };
    if (!container) return base;
    return { ...base, containerId: container.id, ifname: container.ifname, netns: container.netns };
  }

  /** Calls under strace; kills the traced process, not the tracer, after `afterMs`. */
  async #traceAndKill(call: Call, afterMs: number): Promise<Answer> {
    const file = `/run/trace-${++this.#trace}`;
    const running = startCall({ ...call, wrapper: ['strace', '-f', '-qq', '-o', file] });
    await Promise.race([delay(afterMs), running.answer]);
    const children = `/proc/${running.pid}/task/${running.pid}/children`;
    let tracee: number | undefined;
    try {
      tracee = Number(readFileSync(children, 'utf8').trim().split(' ')[0]) || undefined;
      if (tracee) process.kill(tracee, 'SIGKILL');
    } catch {
      tracee = undefined;
    }
    const answer = await running.answer;
    if (answer.signal === undefined && answer.code !== 137) {
      this.#late += 1;
    } else {
      const last = lastCall(readFileSync(file, 'utf8'));
      this.#tally.set(last, (this.#tally.get(last) ?? 0) + 1);
    }
    this.#killed += 1;
    return answer;
  }

  async #measureTraced(): Promise<void> {
    const times: number[] = [];
    for (let index = 0; index < 10; index += 1) {
      const container = this.#plan.world.container('measure');
      const wrapper = ['strace', '-f', '-qq', '-o', '/run/trace-measure'];
      times.push(callSync({ ...this.#call('ADD', container), wrapper }).ms);
      callSync(this.#call('DEL', container));
      this.#plan.world.remove(container);
    }
    this.#traced = times.sort((a, b) => a - b)[5] ?? this.#traced;
  }

  /** Calls; a failure is noted. @returns what the plugin printed */
  async #expectSuccess(call: Call): Promise<string> {
    const answer = await startCall(call).answer;
    if (answer.code !== 0) {
      const how = `exit ${answer.code ?? answer.signal}: ${answer.stdout}${answer.stderr}`;
      this.#failures.push(`${call.command} ${call.containerId ?? ''}: ${how}`);
    }
    return answer.stdout;
  }

  async #round(): Promise<void> {
    const { world, cleanUp, killShare } = this.#plan;
    const container = world.container('round');
    const kill = this.#random.next() < killShare;
    const victim = this.#random.next() < 0.5 && cleanUp === 'DEL' ? 'DEL' : 'ADD';
    const moment = this.#random.next() * this.#traced * 1.05;
    let result = '';
    if (kill && victim === 'ADD') await this.#traceAndKill(this.#call('ADD', container), moment);
    else result = await this.#expectSuccess(this.#call('ADD', container));
    if (cleanUp === 'DEL') {
      if (kill && victim === 'DEL') await this.#traceAndKill(this.#call('DEL', container), moment);
      await this.#expectSuccess(this.#call('DEL', container));
    } else if (!kill && this.#random.next() < 0.3) {
      this.#valid.push({ container, result: JSON.parse(result) });
      return;
    }
    // A runtime may or may not have ended the namespace before GC comes; DEL came before that.
    if (cleanUp === 'DEL' || this.#random.next() < 0.5) world.remove(container);
  }

  /** GC alone, with some attachments valid: those must stay whole, everything else must go. */
  async #collect(): Promise<void> {
    const attachments = this.#valid.map(({ container }) => ({
      containerID: container.id,
      ifname: container.ifname,
    }));
    await this.#expectSuccess(this.#call('GC', undefined, { 'cni.dev/valid-attachments': attachments }));
    for (const { container, result } of this.#valid) {
      await this.#expectSuccess(this.#call('CHECK', container, { prevResult: result }));
      await this.#expectSuccess(this.#call('DEL', container));
      this.#plan.world.remove(container);
    }
  }

  async run(): Promise<RoundsResult> {
    // The bridge, its tables and host-local's own files appear with the first call and stay.
    await this.#measureTraced();
    const before = snapshot();
    let started = 0;
    const worker = async (): Promise<void> => {
      while (started < this.#plan.rounds) {
        started += 1;
        await this.#round();
      }
    };
    await Promise.all(Array.from({ length: this.#plan.parallel }, worker));
    if (this.#plan.cleanUp === 'GC') await this.#collect();
    return {
      rounds: this.#plan.rounds,
      killed: this.#killed,
      late: this.#late,
      tally: this.#tally,
      leaks: leaked(before, snapshot()),
      failures: this.#failures,
    };
  }
}

/** Runs the plan. The world should be fresh; the bridge stays. */
export function runRounds(plan: RoundsPlan): Promise<RoundsResult> {
  return new Rounds(plan).run();
}
