/** The lab's end of a probe: starts the process in a network namespace and matches answers to requests. */

import type { Subprocess } from 'bun';
import { slowness } from '../../testing/slowness.ts';
import { cleanEnvironment } from '../run.ts';
import type { ProbeAnswers, ProbeRequest, Reply } from './protocol.ts';

/** A probe says that it listens within this time, in ms; a Bun start takes 20. */
const START_TIMEOUT = 10_000 * slowness;
/** Added to a request's own timeout before the probe itself is given up, in ms. */
const GRACE = 3_000 * slowness;

/** What a probe found does not work. */
export class ProbeError extends Error {
  override readonly name: string = 'ProbeError';
}

interface Pending {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: Error) => void;
}

export class Probe {
  /** Who probes, for messages. */
  readonly name: string;
  readonly #child: Subprocess<'pipe', 'pipe', 'pipe'>;
  readonly #pending = new Map<number, Pending>();
  #next = 1;
  #ended = false;

  private constructor(name: string, child: Subprocess<'pipe', 'pipe', 'pipe'>) {
    this.name = name;
    this.#child = child;
  }

  /**
   * Starts a probe.
   *
   * @param enter the command that enters or makes the namespace: `nsenter …` or `unshare …`
   * @returns once its servers listen
   * @throws ProbeError with what the process wrote to stderr if it does not come up
   */
  static async start(name: string, enter: readonly string[]): Promise<Probe> {
    const probe = Probe.launch(name, enter);
    await probe.listening;
    return probe;
  }

  /** Like `start`, without waiting. */
  static launch(name: string, enter: readonly string[]): Probe & { readonly listening: Promise<void> } {
    const child = Bun.spawn([...enter, process.execPath, `${import.meta.dirname}/main.ts`], {
      stdin: 'pipe',
      stdout: 'pipe',
      stderr: 'pipe',
      env: cleanEnvironment(),
      cwd: '/',
    });
    const probe = new Probe(name, child);
    const listening = probe.#expect(0, START_TIMEOUT, 'start').then(() => {});
    void probe.#read();
    return Object.assign(probe, { listening });
  }

  /** Process that was started (the entering command's own number where it does not fork). */
  get pid(): number {
    return this.#child.pid;
  }

  /** @throws ProbeError with the reason the probe gives, or when it does not answer */
  async ask<R extends ProbeRequest>(request: R): Promise<ProbeAnswers[R['op']]> {
    if (this.#ended) throw new ProbeError(`the probe on ${this.name} has ended`);
    const id = this.#next++;
    const timeout = 'timeout' in request ? request.timeout : 0;
    const answer = this.#expect(id, timeout + GRACE, request.op);
    this.#child.stdin.write(`${JSON.stringify({ ...request, id })}\n`);
    void this.#child.stdin.flush();
    return (await answer) as ProbeAnswers[R['op']];
  }

  /** Closes the probe's stdin, upon which it ends, and waits for that. */
  async stop(): Promise<void> {
    this.#ended = true;
    await this.#child.stdin.end();
    await this.#child.exited;
  }

  #expect(id: number, timeout: number, what: string): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#pending.set(id, { resolve, reject });
    const timer = setTimeout(
      () => reject(new ProbeError(`the probe on ${this.name} does not answer (${what}, ${timeout} ms)`)),
      timeout,
    );
    return promise.finally(() => {
      clearTimeout(timer);
      this.#pending.delete(id);
    });
  }

  async #read(): Promise<void> {
    const errors = this.#child.stderr.text();
    let rest = '';
    const decoder = new TextDecoder();
    for await (const chunk of this.#child.stdout) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) this.#settle(JSON.parse(line) as Reply);
    }
    this.#ended = true;
    const why = (await errors).trim().slice(-400);
    const error = new ProbeError(`the probe on ${this.name} has ended${why === '' ? '' : `: ${why}`}`);
    for (const { reject } of this.#pending.values()) reject(error);
  }

  #settle(reply: Reply): void {
    const pending = this.#pending.get(reply.id);
    if ('error' in reply) pending?.reject(new ProbeError(reply.error));
    else pending?.resolve(reply.answer);
  }
}
