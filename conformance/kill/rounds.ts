/**
 * ADD and DEL rounds, several at a time, a share of them killed at a random moment; then a look at what is left.
 *
 * How long ADD and DEL work is measured first, under the same parallelism, and the moment of a kill is drawn evenly
 * from that. A call that had ended before its moment is no kill: its round draws again.
 *
 * Where GC cleans up, it also runs now and then beside the ADDs and DELs. It gets as valid what a runtime would tell
 * it: the attachments whose ADD has ended and whose DEL has not begun. None of those may be harmed, and none whose ADD
 * runs meanwhile.
 */

import { setTimeout as delay } from 'node:timers/promises';
import type { Config } from '../cni/configs.ts';
import { leaked, missing, snapshot } from '../cni/leaks.ts';
import { type Answer, type Call, startCall, type World } from '../cni/world.ts';
import { Random } from '../testing/random.ts';
import { type AddResult, Attachment, gcTakesNotes } from './attachments.ts';
import { type Hit, spreadProblems } from './spread.ts';
import { Tracer } from './traced.ts';

/** What to run. */
export interface RoundsPlan {
  readonly world: World;
  readonly program: string;
  readonly config: Config;
  readonly rounds: number;
  readonly parallel: number;
  /** Share of the rounds in which a call is killed, 0 to 1. */
  readonly killShare: number;
  /** What cleans up after a kill: DEL of the attachment, or nothing but GC of the network. */
  readonly cleanUp: 'DEL' | 'GC';
  readonly seed: number;
}

/** What came of it. */
export interface RoundsResult {
  readonly rounds: number;
  /** How many kills were to be made. */
  readonly asked: number;
  readonly hits: readonly Hit[];
  /** Calls that had ended before they could be killed, and were drawn again. */
  readonly late: number;
  /** Runs of GC beside ADDs and DELs, and how often an attachment was found whole after one. */
  readonly collections: number;
  readonly unharmed: { readonly valid: number; readonly added: number };
  /** What is left that should not be, and what is gone that should not be. Empty if all is well. */
  readonly leaks: readonly string[];
  /** Calls that failed though nobody killed them, kills that missed, attachments that a GC harmed. */
  readonly failures: readonly string[];
}

/** How often a round draws anew when its call had ended before the kill. */
const maxDraws = 20;

/** Rounds from one GC to the next, and attachments that live on through them. */
const roundsPerGc = 6;
const livingAttachments = 10;

class Rounds {
  readonly #plan: RoundsPlan;
  readonly #random: Random;
  readonly #tracer = new Tracer();
  readonly #hits: Hit[] = [];
  readonly #failures: string[] = [];
  /** Every attachment between the start of its ADD and the end of its DEL. */
  readonly #known = new Set<Attachment>();
  readonly #unharmed = { valid: 0, added: 0 };
  #late = 0;
  #collections = 0;
  #gc: Promise<void> | undefined;

  constructor(plan: RoundsPlan) {
    this.#plan = plan;
    this.#random = new Random(plan.seed);
  }

  #call(command: Call['command'], attachment?: Attachment, extra: Record<string, unknown> = {}): Call {
    const { program, config } = this.#plan;
    const base: Call = { command, program, config: { ...config, ...extra } };
    if (!attachment) return base;
    const { id, ifname, netns } = attachment.container;
    return { ...base, containerId: id, ifname, netns };
  }

  #new(prefix: string): Attachment {
    const attachment = new Attachment(this.#plan.config.name, this.#plan.world.container(prefix));
    this.#known.add(attachment);
    return attachment;
  }

  #forget(attachment: Attachment): void {
    this.#known.delete(attachment);
    this.#plan.world.remove(attachment.container);
  }

  /** Notes a failure. @returns what the plugin printed */
  #succeeded(call: Call, { code, signal, stdout, stderr }: Answer): string {
    if (code !== 0)
      this.#failures.push(
        `${call.command} ${call.containerId ?? ''}: exit ${code ?? signal}: ${stdout}${stderr}`,
      );
    return stdout;
  }

  async #expect(call: Call): Promise<string> {
    return this.#succeeded(call, await startCall(call).answer);
  }

  async #add(
    attachment: Attachment,
    how: (call: Call) => Promise<string> = (call) => this.#expect(call),
  ): Promise<void> {
    const stdout = await how(this.#call('ADD', attachment));
    if (stdout !== '') attachment.result = JSON.parse(stdout) as AddResult;
    attachment.state = 'live';
  }

  async #delete(attachment: Attachment): Promise<void> {
    attachment.state = 'done';
    await this.#expect(this.#call('DEL', attachment));
    this.#forget(attachment);
  }

  /** Kills one call of a fresh attachment, and leaves what it leaves. @returns undefined if all draws came too late */
  async #killOne(victim: Hit['command']): Promise<Attachment | undefined> {
    for (let draw = 0; draw < maxDraws; draw += 1) {
      const attachment = this.#new('killed');
      if (victim === 'DEL') await this.#add(attachment);
      attachment.state = 'done';
      const call = this.#call(victim, attachment);
      const { answer, kill } = await this.#tracer.killAt(call, this.#random.next());
      if (kill) {
        this.#hits.push({ ...kill, command: victim });
        return attachment;
      }
      this.#late += 1;
      this.#succeeded(call, answer);
      await this.#delete(attachment);
    }
    return undefined;
  }

  async #killRound(victim: Hit['command']): Promise<void> {
    const attachment = await this.#killOne(victim);
    if (!attachment) return;
    if (this.#plan.cleanUp === 'DEL') await this.#delete(attachment);
    // A runtime may or may not have ended the namespace before GC comes.
    else if (this.#random.next() < 0.5) this.#forget(attachment);
  }

  async #plainRound(): Promise<void> {
    const attachment = this.#new('round');
    await this.#add(attachment);
    if (this.#plan.cleanUp === 'DEL') {
      await this.#delete(attachment);
      return;
    }
    if (this.#gc) {
      await this.#gc;
      if (!attachment.uncertain) this.#unharmed.added += await this.#whole([attachment]);
    }
    if (attachment.uncertain) {
      await this.#delete(attachment);
      return;
    }
    const living = this.#living();
    if (living.length > livingAttachments) await this.#delete(this.#random.pick(living));
  }

  /** What a runtime would call valid. */
  #living(): Attachment[] {
    return [...this.#known].filter(({ state, uncertain }) => state === 'live' && !uncertain);
  }

  /** Notes what is missing of those that live still. @returns how many are whole */
  async #whole(attachments: readonly Attachment[]): Promise<number> {
    let whole = 0;
    for (const attachment of attachments) {
      if (attachment.state !== 'live') continue;
      const gone = await attachment.missing();
      // A DEL that began meanwhile may have taken it.
      if ((attachment.state as string) !== 'live') continue;
      this.#failures.push(...gone.map((what) => `harmed by a GC beside it: ${what}`));
      if (gone.length === 0) whole += 1;
    }
    return whole;
  }

  /** A GC while ADDs and DELs run; then a look at those that it had to leave alone. */
  async #collectBeside(): Promise<void> {
    const { name } = this.#plan.config;
    const valid = this.#living();
    let ended = false;
    const answer = this.#collect(valid).finally(() => {
      ended = true;
    });
    while (!ended && !gcTakesNotes(name)) await delay(1);
    // From here on an ADD that begins tells the GC, or begins after it. Those that had begun are not on its list; of
    // them, what runs still when it has ended held its lock all the time. Of the others nobody can tell.
    const begun = [...this.#known].filter((attachment) => !valid.includes(attachment));
    await answer;
    for (const attachment of begun) attachment.uncertain = !attachment.isWorkedOn;
    this.#collections += 1;
    this.#unharmed.valid += await this.#whole(valid);
  }

  async #collect(valid: readonly Attachment[]): Promise<void> {
    const attachments = valid.map(({ container: { id, ifname } }) => ({ containerID: id, ifname }));
    await this.#expect(this.#call('GC', undefined, { 'cni.dev/valid-attachments': attachments }));
  }

  /** GC alone: the living ones must stay whole, everything else must go. */
  async #collectAtTheEnd(): Promise<void> {
    const living = this.#living();
    await this.#collect(living);
    await this.#whole(living);
    for (const attachment of living) {
      await this.#expect(this.#call('CHECK', attachment, { prevResult: attachment.result }));
      await this.#delete(attachment);
    }
    for (const attachment of this.#known) this.#forget(attachment);
  }

  /** Runs tasks, `parallel` at a time. */
  async #inParallel(tasks: readonly (() => Promise<void>)[]): Promise<void> {
    const rest = tasks.values();
    const worker = async (): Promise<void> => {
      for (const task of rest) await task();
    };
    await Promise.all(Array.from({ length: this.#plan.parallel }, worker));
  }

  /** How long ADD and DEL work while others run beside them: one in four calls is traced. */
  async #measure(): Promise<void> {
    const tasks = Array.from({ length: this.#plan.parallel * 6 }, (_, index) => async () => {
      const attachment = this.#new('measured');
      const traced = async (call: Call): Promise<string> =>
        this.#succeeded(call, await this.#tracer.measure(call));
      await this.#add(attachment, index % 4 === 0 ? traced : undefined);
      attachment.state = 'done';
      if (index % 4 === 1) await traced(this.#call('DEL', attachment));
      await this.#delete(attachment);
    });
    await this.#inParallel(tasks);
  }

  async run(): Promise<RoundsResult> {
    const { rounds, killShare, cleanUp } = this.#plan;
    // The bridge, its tables and host-local's own files appear with the first call and stay.
    await this.#measure();
    const before = snapshot();
    const asked = Math.round(rounds * killShare);
    const killAt = new Set<number>();
    while (killAt.size < asked) killAt.add(this.#random.below(rounds));
    const victims = [...killAt].map((round, index): [number, Hit['command']] => [
      round,
      index % 2 === 0 ? 'ADD' : 'DEL',
    ]);
    const victimOf = new Map(victims);
    const tasks = Array.from({ length: rounds }, (_, round) => async () => {
      if (cleanUp === 'GC' && round % roundsPerGc === roundsPerGc - 1 && !this.#gc) {
        this.#gc = this.#collectBeside().finally(() => {
          this.#gc = undefined;
        });
      }
      const victim = victimOf.get(round);
      await (victim ? this.#killRound(victim) : this.#plainRound());
    });
    await this.#inParallel(tasks);
    await this.#gc;
    if (cleanUp === 'GC') await this.#collectAtTheEnd();
    const after = snapshot();
    return {
      rounds,
      asked,
      hits: this.#hits,
      late: this.#late,
      collections: this.#collections,
      unharmed: this.#unharmed,
      leaks: [...leaked(before, after), ...missing(before, after)],
      failures: [...this.#failures, ...spreadProblems(this.#hits, asked)],
    };
  }
}

/** Runs the rounds. The world should be fresh; the bridge stays. */
export function runRounds(plan: RoundsPlan): Promise<RoundsResult> {
  return new Rounds(plan).run();
}
