/** What every part of the provisioner works with. */

import type { RpcError } from '../../../shared/grpc/error.ts';
import type { KubeClient } from '../../../shared/kube/client.ts';
import type { KubeClock } from '../../../shared/kube/clock.ts';
import { SECRETS } from '../../../shared/kube/storage-resources.ts';
import type { ObjectReference, SecretReference } from '../../../shared/kube/storage-types.ts';
import type { Logger } from '../../../shared/log/logger.ts';
import { callError } from './call-error.ts';
import type { OwnNode } from './claim-step.ts';
import type { DriverCalls } from './driver-calls.ts';
import { EventRecorder } from './event-recorder.ts';

export interface ContextOptions {
  readonly client: KubeClient;
  readonly clock: KubeClock;
  readonly log: Logger;
  readonly calls: DriverCalls;
  /** The driver's name. */
  readonly driver: string;
  /** The driver says SINGLE_NODE_MULTI_WRITER. */
  readonly multiWriter: boolean;
  /** Absent: the driver's volumes are reached from everywhere, and this is the only provisioner that works. */
  readonly node?: OwnNode;
  /** Whether the driver is told names of claims, volumes and snapshots (`--extra-create-metadata`). */
  readonly extraMetadata: boolean;
  /** How long one call of the driver may take, in ms: it copies data where it cannot share it. */
  readonly callLimitMs: number;
  readonly random: () => number;
}

/** The first and the longest wait after a failure, in ms, as the sidecars have them. */
export const RETRY = { firstMs: 1000, mostMs: 300_000 } as const;

/** How many keys each part works on at the same time. */
export const WORKERS = 16;

export class Context {
  readonly options: ContextOptions;
  readonly #recorder: EventRecorder;

  constructor(options: ContextOptions) {
    this.options = options;
    this.#recorder = new EventRecorder(options);
  }

  /** Makes one call of the driver. @throws RpcError */
  async call<T>(signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { clock, callLimitMs } = this.options;
    const limit = new AbortController();
    using _ = clock.setTimer(callLimitMs, () => limit.abort());
    const either = AbortSignal.any([signal, limit.signal]);
    try {
      // Nothing is begun for a program that ends.
      either.throwIfAborted();
      return await work(either);
    } catch (error) {
      throw callError(error, either) satisfies RpcError;
    }
  }

  /** A secret's values. @throws KubeError */
  async secret(reference: SecretReference | undefined, signal: AbortSignal): Promise<Record<string, string>> {
    if (!reference) return {};
    const { data = {} } = await this.options.client.get(SECRETS, { ...reference, signal });
    return Object.fromEntries(
      Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]),
    );
  }

  /** The same, but a secret that is gone is none: what is deleted may outlive it. */
  async secretIfThere(
    reference: SecretReference | undefined,
    signal: AbortSignal,
  ): Promise<Record<string, string>> {
    try {
      return await this.secret(reference, signal);
    } catch (error) {
      signal.throwIfAborted();
      this.options.log.warn('going on without a secret', { secret: reference?.name, error });
      return {};
    }
  }

  /** @param component who reports, as the sidecars call themselves */
  event(
    component: string,
    about: ObjectReference,
    type: 'Normal' | 'Warning',
    reason: string,
    message: string,
  ): void {
    this.#recorder.record({ component, about, type, reason, message });
  }

  /** Resolves when every event recorded so far was sent, or could not be. */
  eventsSent(): Promise<void> {
    return this.#recorder.idle();
  }
}
