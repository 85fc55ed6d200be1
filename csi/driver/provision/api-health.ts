/** Whether the API server answers, told once when it stops and once when it does again. */

import { isNotFound, isTransient } from '../../../shared/kube/errors.ts';
import type { Logger } from '../../../shared/log/logger.ts';

/** What is wrong with one kind of objects. */
export interface Problem {
  readonly kind: string;
  readonly error: string;
}

export class ApiHealth {
  readonly #log: Logger;
  readonly #needed: ReadonlySet<string>;
  readonly #onBack: () => void;
  /** By kind, what was said last. */
  readonly #problems = new Map<string, { readonly text: string; readonly transient: boolean }>();
  /** Kinds that the cluster lacks. */
  readonly #missing = new Set<string>();
  #away = false;

  /**
   * @param needed kinds without which nothing can be done; of others (a webhook that converts snapshots is down) only they wait
   * @param onBack everything may have been missed: whatever waits is to be looked at again
   */
  constructor(log: Logger, needed: readonly string[], onBack: () => void) {
    this.#log = log;
    this.#needed = new Set(needed);
    this.#onBack = onBack;
  }

  get reachable(): boolean {
    return !this.#away;
  }

  /** Kinds that the cluster does not have: their definitions are not installed. */
  get missing(): readonly string[] {
    return [...this.#missing];
  }

  get problems(): readonly Problem[] {
    return [...this.#problems].map(([kind, { text }]) => ({ kind, error: text }));
  }

  /** @param error undefined: the kind can be followed (again) */
  report(kind: string, error: unknown): void {
    const before = this.#problems.get(kind);
    if (error === undefined) {
      this.#problems.delete(kind);
      if (this.#missing.delete(kind)) this.#log.info(`the cluster has ${kind} now`);
      else if (before && !before.transient) this.#log.info(`${kind} can be read again`);
    } else if (isNotFound(error)) {
      if (!this.#missing.has(kind)) this.#log.info(`the cluster has no ${kind}: waiting for them`);
      this.#missing.add(kind);
      this.#problems.delete(kind);
    } else {
      const text = error instanceof Error ? error.message : String(error);
      const transient = isTransient(error);
      this.#problems.set(kind, { text, transient });
      // Of a server that is away one line is enough, whatever is asked of it.
      const isTold = before?.text === text || (transient && (before?.transient || this.#needed.has(kind)));
      if (!isTold) this.#log.error(`${kind} cannot be read`, { error });
    }
    this.#judge(error);
  }

  #judge(error: unknown): void {
    const away = [...this.#problems].some(([kind, { transient }]) => transient && this.#needed.has(kind));
    if (away === this.#away) return;
    this.#away = away;
    if (away) this.#log.warn('the API server does not answer: provisioning waits', { error });
    else {
      this.#log.info('the API server answers again: provisioning goes on');
      this.#onBack();
    }
  }
}
