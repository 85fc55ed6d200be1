/**
 * Whether the proxy keeps up, by kube-proxy's rules (KEP-3836; pkg/proxy/healthcheck): unhealthy is who has had a change
 * in hand for longer than twice the sync period; `/healthz` also turns a node's load balancers away that is about to go.
 * Ours also asks that the services have been programmed from their source once: before that, a load balancer would send
 * to a node that serves nothing, or what it remembers. Pure.
 */

import type { Family } from '../model/endpoint.ts';

/** cluster-autoscaler's, on a node that it is about to remove. */
export const TO_BE_DELETED_TAINT = 'ToBeDeletedByClusterAutoscaler';

export interface HealthAnswer {
  readonly isHealthy: boolean;
  /** kube-proxy's JSON. */
  readonly body: string;
}

export class ProxyHealth {
  /** How old a change may be, in ms. */
  readonly #patience: number;
  readonly #now: () => number;
  readonly #monotonic: () => number;
  readonly #families = new Map<Family, { queuedAt?: number; updatedAt?: number }>();
  #synced = false;
  #nodeEligible = true;

  /** @param clock `now` is for people, `monotonic` for how long things take */
  constructor(syncPeriodMs: number, clock: { now(): number; monotonic(): number }) {
    this.#patience = 2 * syncPeriodMs;
    this.#now = () => clock.now();
    this.#monotonic = () => clock.monotonic();
  }

  /** A change of that family waits to be programmed. */
  queued(family: Family): void {
    const state = this.#stateOf(family);
    state.queuedAt ??= this.#monotonic();
  }

  /** All changes of that family are programmed. */
  updated(family: Family): void {
    this.#families.set(family, { updatedAt: this.#now() });
  }

  /** The lists are in, and what they say is programmed. */
  synced(): void {
    this.#synced = true;
  }

  get isSynced(): boolean {
    return this.#synced;
  }

  /** @param isEligible false where the Node is being deleted, or tainted so */
  setNode(isEligible: boolean): void {
    this.#nodeEligible = isEligible;
  }

  get nodeEligible(): boolean {
    return this.#nodeEligible;
  }

  /** What service health checks ask for: the node's fate aside. */
  get isHealthy(): boolean {
    return this.#synced && this.#keepsUp;
  }

  /** `/healthz`. */
  healthz(): HealthAnswer {
    const isHealthy = this.isHealthy && this.#nodeEligible;
    return { isHealthy, body: `{${this.#times(isHealthy)}, "nodeEligible": ${this.#nodeEligible}}` };
  }

  /** `/livez`: who waits for its lists is alive. */
  livez(): HealthAnswer {
    const isHealthy = this.#keepsUp;
    return { isHealthy, body: `{${this.#times(isHealthy)}}` };
  }

  get #keepsUp(): boolean {
    const now = this.#monotonic();
    for (const { queuedAt } of this.#families.values())
      if (queuedAt !== undefined && now - queuedAt >= this.#patience) return false;
    return true;
  }

  /** Who is healthy was updated now: kube-proxy's answer since it ran in a loop. */
  #times(isHealthy: boolean): string {
    const now = this.#now();
    const updates = [...this.#families.values()].map(({ updatedAt }) => updatedAt ?? 0);
    const updated = isHealthy ? now : Math.max(0, ...updates);
    return `"lastUpdated": "${goTime(updated)}","currentTime": "${goTime(now)}"`;
  }

  #stateOf(family: Family): { queuedAt?: number; updatedAt?: number } {
    const known = this.#families.get(family);
    if (known) return known;
    const state = {};
    this.#families.set(family, state);
    return state;
  }
}

/** As Go's time.Time prints itself: `2026-01-02 03:04:05.006 +0000 UTC`; its zero time for none. */
function goTime(ms: number): string {
  if (ms === 0) return '0001-01-01 00:00:00 +0000 UTC';
  return `${new Date(ms).toISOString().replace('T', ' ').replace('Z', '')} +0000 UTC`;
}
