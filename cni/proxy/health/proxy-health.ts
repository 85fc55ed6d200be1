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

interface FamilyState {
  /** Since when the oldest change waits (monotonic ms). */
  queuedAt?: number;
  /** Milliseconds since the epoch. */
  updatedAt?: number;
}

export class ProxyHealth {
  /** How old a change may be, in ms. */
  readonly #patience: number;
  readonly #now: () => number;
  readonly #monotonic: () => number;
  readonly #families = new Map<Family, FamilyState>();
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
    return { isHealthy, body: this.#body(isHealthy, this.isHealthy, { nodeEligible: this.#nodeEligible }) };
  }

  /** `/livez`: who waits for its lists is alive. */
  livez(): HealthAnswer {
    const isHealthy = this.#keepsUp;
    return { isHealthy, body: this.#body(isHealthy, isHealthy) };
  }

  get #keepsUp(): boolean {
    return [...this.#families.values()].every((state) => this.#isInTime(state));
  }

  #isInTime({ queuedAt }: FamilyState): boolean {
    return queuedAt === undefined || this.#monotonic() - queuedAt < this.#patience;
  }

  /**
   * kube-proxy's JSON, whose keys are a superset of those before 1.36. Who is healthy was updated now: its answer since it ran in
   * a loop.
   *
   * @param healthy as far as services go
   */
  #body(isHealthy: boolean, healthy: boolean, more: { readonly nodeEligible?: boolean } = {}): string {
    const now = this.#now();
    const families = [...this.#families].filter(([, { updatedAt }]) => updatedAt !== undefined);
    const latest = Math.max(0, ...families.map(([, { updatedAt = 0 }]) => updatedAt));
    const status = families.map(([family, state]) => [
      `IPv${family}`,
      { lastUpdated: goTime(state.updatedAt), healthy: this.#isInTime(state) },
    ]);
    return JSON.stringify({
      lastUpdated: goTime(isHealthy ? now : latest),
      currentTime: goTime(now),
      ...more,
      healthy,
      ...(status.length > 0 && { status: Object.fromEntries(status) }),
    });
  }

  #stateOf(family: Family): FamilyState {
    const known = this.#families.get(family);
    if (known) return known;
    const state = {};
    this.#families.set(family, state);
    return state;
  }
}

/** RFC 3339; Go's zero time for none. */
function goTime(ms = 0): string {
  return ms === 0 ? '0001-01-01T00:00:00Z' : new Date(ms).toISOString();
}
