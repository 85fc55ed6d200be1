/**
 * Work that outlives the call that began it: copying a large volume takes longer than callers wait. The next call about the same
 * volume waits for the same work.
 */

import { RpcError } from '../../shared/grpc/error.ts';

interface Job {
  readonly done: Promise<void>;
  readonly stop: AbortController;
}

export class Jobs implements AsyncDisposable {
  readonly #running = new Map<string, Job>();

  /** True while work on it goes on. */
  has(key: string): boolean {
    return this.#running.has(key);
  }

  /**
   * Begins the work, unless it is under way, and waits for it.
   *
   * @param signal of the call: ends the waiting, not the work
   * @throws what the work throws; RpcError DEADLINE_EXCEEDED where the caller gave up first
   */
  run(key: string, signal: AbortSignal, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    let job = this.#running.get(key);
    if (!job) {
      const stop = new AbortController();
      const done = work(stop.signal).finally(() => this.#running.delete(key));
      // Nobody may be waiting when it fails: the next call begins anew.
      done.catch(() => undefined);
      job = { done, stop };
      this.#running.set(key, job);
    }
    return Promise.race([job.done, gaveUp(key, signal)]);
  }

  /** Ends the work on it, if there is any, and waits until it has ended. */
  async cancel(key: string): Promise<void> {
    const job = this.#running.get(key);
    if (!job) return;
    job.stop.abort();
    await job.done.catch(() => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#running.keys()].map((key) => this.cancel(key)));
  }
}

function gaveUp(key: string, signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const give = (): void =>
      reject(new RpcError('DEADLINE_EXCEEDED', `${key} is still being made; ask again`));
    if (signal.aborted) give();
    else signal.addEventListener('abort', give, { once: true });
  });
}
