/** Tells people of what happens to their objects: Kubernetes' events, one for many of the same kind. */

import type { KubeClient } from '../../../shared/kube/client.ts';
import type { KubeClock } from '../../../shared/kube/clock.ts';
import { isNotFound } from '../../../shared/kube/errors.ts';
import { EVENTS } from '../../../shared/kube/storage-resources.ts';
import type { ObjectReference } from '../../../shared/kube/storage-types.ts';
import type { Logger } from '../../../shared/log/logger.ts';

/** How many kinds of events are remembered, so that the next of a kind only counts. */
const REMEMBERED = 500;
/** How many may wait while the API server is slow or away; later ones are left out. */
const WAITING = 200;
/** core/v1 validation: a message has at most 1024 bytes. */
const LONGEST = 1000;

export interface EventRecorderOptions {
  readonly client: KubeClient;
  readonly clock: KubeClock;
  readonly log: Logger;
  /** From 0 up to 1. */
  readonly random: () => number;
}

export interface Happening {
  /** Who reports, as the sidecars call themselves. */
  readonly component: string;
  readonly about: ObjectReference;
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
}

/** Nothing waits for an event and nothing fails by one: they are sent one after the other in the background. */
export class EventRecorder {
  readonly #options: EventRecorderOptions;
  /** The last event of a kind, by what makes it the same. */
  readonly #known = new Map<string, { readonly name: string; count: number }>();
  #waiting = 0;
  #last: Promise<void> = Promise.resolve();
  /** Events of the same millisecond differ by it; it begins anywhere, as other nodes report, too. */
  #serial: number;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
    this.#serial = Math.floor(options.random() * 1_000_000);
  }

  record(happening: Happening): void {
    const { about, type, reason, message } = happening;
    this.#options.log.debug(reason, { type, object: `${about.namespace ?? ''}/${about.name}`, message });
    if (this.#waiting >= WAITING) return;
    this.#waiting += 1;
    this.#last = this.#last
      .then(() => this.#send(happening))
      .catch((error: unknown) => this.#options.log.debug('an event was not taken', { reason, error }))
      .finally(() => {
        this.#waiting -= 1;
      });
  }

  /** Resolves when everything recorded so far was sent, or could not be. */
  idle(): Promise<void> {
    return this.#last;
  }

  async #send({ component, about, type, reason, message: said }: Happening): Promise<void> {
    const { client, clock } = this.#options;
    const message = said.length > LONGEST ? `${said.slice(0, LONGEST)}…` : said;
    const namespace = about.namespace || 'default';
    const time = timeOf(clock.now().wallMs);
    const key = JSON.stringify([
      component,
      about.kind,
      about.uid,
      about.namespace,
      about.name,
      type,
      reason,
      message,
    ]);
    const known = this.#known.get(key);
    if (known) {
      known.count += 1;
      const patch = { count: known.count, lastTimestamp: time };
      try {
        await client.patch(EVENTS, 'merge', patch, { namespace, name: known.name });
        return;
      } catch (error) {
        // Events live for an hour.
        if (!isNotFound(error)) throw error;
      }
    }
    this.#serial += 1;
    // As client-go names them: nanoseconds, which are counted on here.
    const stamp = BigInt(clock.now().wallMs) * 1_000_000n + BigInt(this.#serial % 1_000_000);
    const name = `${(about.name ?? '').slice(0, 200)}.${stamp.toString(16)}`;
    await client.create(
      EVENTS,
      {
        apiVersion: 'v1',
        kind: 'Event',
        metadata: { name, namespace },
        involvedObject: about,
        type,
        reason,
        message,
        source: { component },
        reportingComponent: component,
        reportingInstance: '',
        count: 1,
        firstTimestamp: time,
        lastTimestamp: time,
      },
      { namespace },
    );
    this.#known.delete(key);
    this.#known.set(key, { name, count: 1 });
    const [oldest] = this.#known.keys();
    if (this.#known.size > REMEMBERED && oldest !== undefined) this.#known.delete(oldest);
  }
}

/** RFC 3339, whole seconds: metav1.Time. */
export function timeOf(wallMs: number): string {
  return `${new Date(wallMs).toISOString().slice(0, 19)}Z`;
}

/** What an event is about. */
export function referenceTo(
  kind: string,
  apiVersion: string,
  { metadata }: { readonly metadata: { readonly [Key in keyof ObjectReference]?: ObjectReference[Key] } },
): ObjectReference {
  const { namespace, name, uid, resourceVersion } = metadata;
  return {
    apiVersion,
    kind,
    ...(namespace !== undefined && { namespace }),
    ...(name !== undefined && { name }),
    ...(uid !== undefined && { uid }),
    ...(resourceVersion !== undefined && { resourceVersion }),
  };
}
