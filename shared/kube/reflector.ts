/** A copy of all objects of a kind, kept up to date: list, then watch, then list again where the watch lost its way. */

import { Backoff } from './backoff.ts';
import type { KubeClient, Selection } from './client.ts';
import { type KubeClock, sleep } from './clock.ts';
import { isGone, KubeError } from './errors.ts';
import { follow } from './follow.ts';
import type { Resource } from './resource.ts';
import type { ApiObject } from './types.ts';

/** After a list that failed the next comes after this long (ms), later ones after up to MOST. */
const FIRST = 500;
const MOST = 30_000;

export interface ReflectorOptions<T extends ApiObject, P> extends Selection {
  readonly client: KubeClient;
  readonly resource: Resource<T>;
  readonly clock: KubeClock;
  readonly random?: () => number;
  /** What is kept of an object; `undefined`: it does not count. */
  readonly project: (object: T) => P | undefined;
  /** Two projections mean the same: nobody is told. By default nothing is the same. */
  readonly same?: (a: P, b: P) => boolean;
  /** The names (`namespace/name`) of what changed; of the first list, all of them. */
  readonly onChange: (changed: ReadonlySet<string>) => void;
  /** An error, whenever the server cannot be followed; `undefined` once it can again. */
  readonly onHealth?: (error: unknown) => void;
}

/**
 * What is known stays known whatever happens to the server: an object leaves by its own deletion, or by a later list
 * that is complete and lacks it.
 */
export class Reflector<T extends ApiObject, P> {
  readonly #options: ReflectorOptions<T, P>;
  #items = new Map<string, P>();
  #synced = false;
  /** The newest version that was seen. */
  #version: string | undefined;

  constructor(options: ReflectorOptions<T, P>) {
    this.#options = options;
  }

  /** Everything known, by `namespace/name` (by `name` for what has no namespace). */
  get items(): ReadonlyMap<string, P> {
    return this.#items;
  }

  /** True once the first list is complete. Until then `items` says nothing about what is not there. */
  get synced(): boolean {
    return this.#synced;
  }

  /** Works until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { client, resource, clock, random, onHealth, fieldSelector, labelSelector, namespace } =
      this.#options;
    const selection: Selection = {
      ...(namespace !== undefined && { namespace }),
      ...(fieldSelector !== undefined && { fieldSelector }),
      ...(labelSelector !== undefined && { labelSelector }),
    };
    const common = { clock, ...(random && { random }), ...(onHealth && { onHealth }) };
    const backoff = new Backoff({ firstMs: FIRST, mostMs: MOST, ...(random && { random }) });
    while (!signal.aborted) {
      try {
        const project = (object: T): readonly [string, P] | undefined => {
          const kept = this.#options.project(object);
          return kept === undefined ? undefined : [keyOf(object), kept];
        };
        const list = await client.list(resource, project, {
          ...selection,
          signal,
          notOlderThan: this.#version,
        });
        this.#replace(new Map(list.items));
        const { resourceVersion } = list;
        this.#version = resourceVersion;
        for await (const batch of follow(resource, {
          ...selection,
          ...common,
          client,
          resourceVersion,
          signal,
        })) {
          backoff.reset();
          this.#version = batch.resourceVersion;
          this.#apply(batch.events);
        }
      } catch (error) {
        if (signal.aborted) return;
        if (!isGone(error)) onHealth?.(error);
        await sleep(clock, backoff.next(error instanceof KubeError ? error.retryAfterMs : 0), signal);
      }
    }
  }

  #replace(items: Map<string, P>): void {
    const before = this.#items;
    const changed = new Set<string>();
    for (const [key, item] of items) if (!this.#isSame(before.get(key), item)) changed.add(key);
    for (const key of before.keys()) if (!items.has(key)) changed.add(key);
    this.#items = items;
    const isFirst = !this.#synced;
    this.#synced = true;
    if (isFirst || changed.size > 0) this.#options.onChange(changed);
  }

  #apply(events: readonly { readonly type: string; readonly object: T }[]): void {
    const changed = new Set<string>();
    for (const { type, object } of events) {
      const key = keyOf(object);
      const kept = type === 'DELETED' ? undefined : this.#options.project(object);
      if (kept === undefined) {
        if (this.#items.delete(key)) changed.add(key);
      } else if (!this.#isSame(this.#items.get(key), kept)) {
        this.#items.set(key, kept);
        changed.add(key);
      }
    }
    if (changed.size > 0) this.#options.onChange(changed);
  }

  #isSame(before: P | undefined, after: P): boolean {
    return before !== undefined && (this.#options.same?.(before, after) ?? false);
  }
}

/** `namespace/name`, or `name`. */
export function keyOf({ metadata: { namespace, name } }: ApiObject): string {
  return namespace === undefined || namespace === '' ? name : `${namespace}/${name}`;
}
