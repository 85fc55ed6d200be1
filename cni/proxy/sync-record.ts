/** What is remembered of syncs, for metrics, `status` and the log: what waits, what was done, and how long it took. */

import type { Clock } from '../../shared/daemon/clock.ts';
import type { Logger } from '../../shared/log/logger.ts';
import type { Run } from './family-programmer.ts';
import { familyLabel, type ProxyMetrics } from './metrics.ts';
import type { Family } from './model/endpoint.ts';

/** More are a sample. */
const MOST_TRIGGERS = 10_000;

export interface LastSync {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly durationMs: number;
  readonly changes: number;
}

export class SyncRecord {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #metrics: () => ProxyMetrics;
  #pending = { services: 0, endpoints: 0 };
  #repairs = 0;
  #last: LastSync | undefined;
  /** When what caused the pending changes happened, ms since the epoch. */
  readonly #triggers: ReadonlyMap<Family, number[]> = new Map([
    [4, []],
    [6, []],
  ]);

  /** @param metrics which ask for what is pending here, and so are made later */
  constructor(clock: Clock, log: Logger, metrics: () => ProxyMetrics) {
    this.#clock = clock;
    this.#log = log;
    this.#metrics = metrics;
  }

  /** Changes of Services, and of slices, that are not programmed yet. */
  get pending(): { readonly services: number; readonly endpoints: number } {
    return this.#pending;
  }

  /** How many things others changed that were put right. */
  get repairs(): number {
    return this.#repairs;
  }

  get last(): LastSync | undefined {
    return this.#last;
  }

  servicesChanged(count: number): void {
    this.#metrics().serviceChanges(count);
    this.#pending.services += count;
  }

  slicesChanged(count: number): void {
    this.#metrics().endpointChanges(count);
    this.#pending.endpoints += count;
  }

  /** @param times of what led to changes, ms since the epoch */
  triggered(family: Family, times: readonly number[]): void {
    const all = this.#triggers.get(family) as number[];
    for (const at of times) if (all.length < MOST_TRIGGERS) all.push(at);
  }

  /** What was caused in a family is in force. */
  inForce(family: Family): void {
    const now = this.#clock.now();
    for (const at of this.#triggers.get(family)?.splice(0) ?? [])
      this.#metrics().networkProgrammed(family, now - at);
  }

  nothingPends(): void {
    this.#pending = { services: 0, endpoints: 0 };
  }

  /** A family was programmed. */
  programmed(family: Family, { kind, report, tookMs, since }: Run): void {
    const { changes, refused, repairs, rules, isRetried } = report;
    const metrics = this.#metrics();
    const now = this.#clock.now();
    metrics.synced(family, kind === 'partial' ? 'partial' : 'full', tookMs, now);
    if (since !== undefined) metrics.eventToKernel(this.#clock.monotonic() - since);
    metrics.elements(changes);
    metrics.refused(refused.length);
    if (rules) metrics.rules(family, rules);
    if (isRetried) metrics.partialFailed(family);
    this.#repairs += repairs;
    metrics.repaired(repairs);
    if (repairs > 0)
      this.#log.warn('what somebody else changed was put right', { family: familyLabel(family), repairs });
    if (changes > 0 || !this.#last)
      this.#last = { at: now, durationMs: Math.round(tookMs * 100) / 100, changes };
    this.inForce(family);
  }
}
