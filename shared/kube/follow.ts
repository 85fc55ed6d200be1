/** A watch that goes on: after the server ended it, after errors, and past hung connections. */

import { Backoff } from './backoff.ts';
import type { KubeClient, Selection } from './client.ts';
import { type KubeClock, sleep } from './clock.ts';
import { isGone, isSilent, KubeError } from './errors.ts';
import type { Resource } from './resource.ts';
import type { ApiObject, WatchEvent } from './types.ts';

/** After an error the first try comes after this long (ms), later ones after up to MOST. */
const FIRST = 500;
const MOST = 30_000;
/** A watch that ended sooner (ms) than this after it was opened is no success: a server in trouble closes them at once. */
const SHORT = 5000;

export interface FollowOptions extends Selection {
  readonly client: KubeClient;
  readonly clock: KubeClock;
  readonly random?: () => number;
  /** Where to go on from: a list's, or that of an earlier batch. */
  readonly resourceVersion: string;
  readonly signal: AbortSignal;
  /** An error, whenever the server cannot be followed; `undefined` once it can again. */
  readonly onHealth?: (error: unknown) => void;
}

export interface FollowBatch<T extends ApiObject> {
  /** Without bookmarks; may be empty. */
  readonly events: readonly WatchEvent<T>[];
  /** The version after these events. */
  readonly resourceVersion: string;
}

/**
 * Everything that happens after a version, until `signal` is aborted. No error but one ends it.
 *
 * @throws KubeError with isGone: what happened cannot be told any more; list again
 */
export async function* follow<T extends ApiObject>(
  resource: Resource<T>,
  options: FollowOptions,
): AsyncGenerator<FollowBatch<T>, void, undefined> {
  const { client, clock, random, signal, onHealth, ...rest } = options;
  let { resourceVersion } = options;
  const backoff = new Backoff({ firstMs: FIRST, mostMs: MOST, ...(random && { random }) });
  while (!signal.aborted) {
    let settled: Disposable | undefined;
    let wait = 0;
    let isSuccess = false;
    let isOpen = false;
    try {
      const onOpen = (): void => {
        isOpen = true;
        onHealth?.(undefined);
        settled = clock.setTimer(SHORT, () => {
          backoff.reset();
          isSuccess = true;
        });
      };
      for await (const events of client.watch(resource, { ...rest, resourceVersion, signal, onOpen })) {
        backoff.reset();
        for (const event of events) {
          const version = event.object.metadata.resourceVersion ?? resourceVersion;
          if (event.type === 'BOOKMARK' && isBefore(version, resourceVersion)) throw wentBack(client.server);
          resourceVersion = version;
        }
        yield { events: events.filter(({ type }) => type !== 'BOOKMARK'), resourceVersion };
      }
      // Its time was over. One that ends without a word, again and again, is not asked for in a tight loop.
      if (!isSuccess) wait = backoff.next();
    } catch (error) {
      if (isGone(error)) throw error;
      wait = backoff.next(error instanceof KubeError ? error.retryAfterMs : 0);
      // A server that has seen no change of a kind since its own start sends no bookmarks of it (k8s.io/apiserver,
      // storage/cacher, dispatchEvents): silence alone says nothing. Whether it is there tells the next request.
      if (!signal.aborted && !(isOpen && isSilent(error))) onHealth?.(error);
    } finally {
      settled?.[Symbol.dispose]();
    }
    if (wait > 0) await sleep(clock, wait, signal);
  }
}

/** Versions may be compared as numbers (Kubernetes API conventions, since 1.35); what is none is not before anything. */
function isBefore(a: string, b: string): boolean {
  return /^\d+$/.test(a) && /^\d+$/.test(b) && BigInt(a) < BigInt(b);
}

/** etcd was restored from a backup: what was seen since then never was. */
function wentBack(server: string): KubeError {
  return new KubeError(`${server}: the cluster's history was replaced by an older one`, {
    code: 410,
    reason: 'Expired',
  });
}
