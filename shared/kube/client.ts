/** What can be asked of the API server. */

import { WireError } from '../grpc/wire/schema.ts';
import { isGone, isVersionTooLarge, KubeError } from './errors.ts';
import { LineScanner } from './line-scanner.ts';
import { ListScanner } from './list-scanner.ts';
import { pathOf, type Resource, type Target } from './resource.ts';
import { Transport, type TransportOptions } from './transport.ts';
import type { ApiObject, ListMeta, Status, WatchEvent } from './types.ts';
import { PROTOBUF_TYPE } from './wire/decode-status.ts';
import { ProtoListScanner } from './wire/proto-list-scanner.ts';

/** Objects a page: what keeps a page of nodes, 12 kB each, at 6 MB. */
const PAGE = 500;
/**
 * How long a watch may be silent (ms). With bookmarks the server speaks up about once a minute
 * (k8s.io/apiserver, storage/cacher, defaultBookmarkFrequency): one may be lost.
 */
const SILENCE_MS = 130_000;
/** How much later (ms) than it said the server may end a watch. */
const GRACE_MS = 30_000;
/** Between once and twice this many seconds a watch lasts, so that the watches of all nodes do not end together. */
const WATCH_SECONDS = 300;

export interface Named extends Target {
  readonly name: string;
  readonly signal?: AbortSignal;
}

export interface Selection {
  readonly namespace?: string;
  /** `metadata.name=a` */
  readonly fieldSelector?: string;
  readonly labelSelector?: string;
}

export interface ListOptions extends Selection {
  /** Objects a page; 0: all in one. */
  readonly limit?: number;
  /**
   * The resourceVersion that was seen last: no older state is taken, whichever server or cache answers, unless all of them
   * say that there is none (a cluster that was restored from a backup).
   */
  readonly notOlderThan?: string | undefined;
  /** Called after each page of so many objects, which has left megabytes of garbage: a moment to give memory back. */
  readonly onPage?: (objects: number) => void;
  readonly signal?: AbortSignal;
}

export interface WatchOptions extends Selection {
  /** Of a list, or of the last event. */
  readonly resourceVersion: string;
  readonly signal?: AbortSignal;
  /** The server took the watch. */
  readonly onOpen?: () => void;
}

/** Application types of a patch. A merge patch replaces lists; a strategic one merges those that have a merge key. */
export const PATCH = {
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  json: 'application/json-patch+json',
} as const;

/** Every method throws KubeError, AccessError, or the signal's reason. */
export class KubeClient {
  readonly #transport: Transport;
  readonly #random: () => number;

  constructor(options: TransportOptions & { readonly random?: () => number }) {
    this.#transport = new Transport(options);
    this.#random = options.random ?? Math.random;
  }

  /** The server, for people. */
  get server(): string {
    return this.#transport.server;
  }

  async get<T extends ApiObject>(resource: Resource<T>, target: Named): Promise<T> {
    return (await this.#transport.json({
      method: 'GET',
      path: pathOf(resource, target),
      signal: target.signal,
    })) as T;
  }

  /** @param target where, without a name: the object has one */
  async create<T extends ApiObject>(
    resource: Resource<T>,
    object: T,
    target: Target & { readonly signal?: AbortSignal } = {},
  ): Promise<T> {
    const { name: _, signal, ...where } = target;
    return (await this.#transport.json({
      method: 'POST',
      path: pathOf(resource, where),
      body: object,
      signal,
    })) as T;
  }

  /** Replaces; a `resourceVersion` in the object makes it a compare-and-swap. */
  async update<T extends ApiObject>(resource: Resource<T>, object: T, target: Named): Promise<T> {
    return (await this.#transport.json({
      method: 'PUT',
      path: pathOf(resource, target),
      body: object,
      signal: target.signal,
    })) as T;
  }

  async patch<T extends ApiObject>(
    resource: Resource<T>,
    type: keyof typeof PATCH,
    patch: unknown,
    target: Named,
  ): Promise<T> {
    return (await this.#transport.json({
      method: 'PATCH',
      path: pathOf(resource, target),
      body: patch,
      contentType: PATCH[type],
      signal: target.signal,
    })) as T;
  }

  async delete(resource: Resource, target: Named): Promise<void> {
    await this.#transport.json({ method: 'DELETE', path: pathOf(resource, target), signal: target.signal });
  }

  /**
   * Everything, page by page. What `project` makes of an object is kept, the object is not: of 5,000 nodes at 12 kB
   * only what is needed stays in memory. `undefined` leaves one out.
   *
   * It reads the current state, not whatever a cache remembers (`resourceVersion=0`): older servers ignore `limit` with
   * that and send everything at once, and a cache may be behind what this program has seen already.
   */
  async list<T extends ApiObject, P>(
    resource: Resource<T>,
    project: (object: T) => P | undefined,
    options: ListOptions = {},
  ): Promise<{ readonly items: P[]; readonly resourceVersion: string }> {
    const limit = options.limit ?? PAGE;
    let items: P[] = [];
    let next: string | undefined;
    let least = options.notOlderThan;
    const keep = (item: unknown): void => {
      const projected = project(item as T);
      if (projected !== undefined) items.push(projected);
    };
    for (;;) {
      try {
        const page = next === undefined ? { limit, least } : { limit, continue: next };
        const meta = await this.#page(resource, options, page, keep);
        if (!meta.continue) return { items, resourceVersion: meta.resourceVersion };
        next = meta.continue;
      } catch (error) {
        if (next === undefined && least !== undefined && (isGone(error) || isVersionTooLarge(error))) {
          least = undefined;
          continue;
        }
        // The rest of the list was compacted away meanwhile. A list in one piece cannot lose its rest.
        if (next === undefined || !isGone(error)) throw error;
        items = [];
        const meta = await this.#page(resource, options, {}, keep);
        return { items, resourceVersion: meta.resourceVersion };
      }
    }
  }

  /**
   * What happens after `resourceVersion`, as it comes in: one request, which the server ends after five to ten
   * minutes. Ends without an error then, and where `signal` is aborted.
   *
   * @throws KubeError; isGone: that version is too old (or none), list again
   */
  async *watch<T extends ApiObject>(
    resource: Resource<T>,
    options: WatchOptions,
  ): AsyncGenerator<readonly WatchEvent<T>[], void, undefined> {
    const { namespace, signal, onOpen, resourceVersion, fieldSelector, labelSelector } = options;
    const timeoutSeconds = Math.round(WATCH_SECONDS * (1 + this.#random()));
    try {
      using answer = await this.#transport.send(
        {
          method: 'GET',
          path: pathOf(resource, namespace === undefined ? {} : { namespace }),
          query: {
            watch: true,
            allowWatchBookmarks: true,
            resourceVersion,
            timeoutSeconds,
            fieldSelector,
            labelSelector,
          },
          signal,
        },
        SILENCE_MS,
      );
      answer.watchdog.arm('whole', timeoutSeconds * 1000 + GRACE_MS, 'the watch did not end after');
      onOpen?.();
      const lines = new LineScanner();
      for await (const chunk of answer.chunks) {
        const events = lines.push(chunk).map((line) => parseEvent<T>(line, answer.what));
        if (events.length > 0) yield events;
      }
    } catch (error) {
      if (!signal?.aborted) throw error;
    }
  }

  async #page(
    resource: Resource,
    { namespace, fieldSelector, labelSelector, signal, onPage }: ListOptions,
    page: { readonly limit?: number; readonly continue?: string; readonly least?: string | undefined },
    onItem: (item: unknown) => void,
  ): Promise<ListMeta> {
    const { message } = resource;
    using answer = await this.#transport.send({
      method: 'GET',
      path: pathOf(resource, namespace === undefined ? {} : { namespace }),
      query: {
        fieldSelector,
        labelSelector,
        limit: page.limit || undefined,
        continue: page.continue,
        // Without the second, a version with a limit would ask for exactly that one.
        ...(page.least !== undefined && {
          resourceVersion: page.least,
          resourceVersionMatch: 'NotOlderThan',
        }),
      },
      signal,
      ...(message && { accept: `${PROTOBUF_TYPE}, application/json` }),
    });
    let objects = 0;
    const count = (item: unknown): void => {
      objects += 1;
      onItem(item);
    };
    const scanner =
      message && answer.contentType === PROTOBUF_TYPE
        ? new ProtoListScanner(message, count)
        : new ListScanner(count);
    try {
      for await (const chunk of answer.chunks) scanner.push(chunk);
      const { metadata } = scanner.end() as { readonly metadata?: ListMeta };
      if (typeof metadata?.resourceVersion !== 'string')
        throw new SyntaxError('a list without a resourceVersion');
      onPage?.(objects);
      return metadata;
    } catch (cause) {
      if (!(cause instanceof SyntaxError || cause instanceof WireError)) throw cause;
      throw new KubeError(`${answer.what}: the answer is no list: ${cause.message}`, {
        code: 0,
        reason: 'BadAnswer',
        cause,
      });
    }
  }
}

function parseEvent<T extends ApiObject>(line: string, what: string): WatchEvent<T> {
  let event: { readonly type?: unknown; readonly object?: unknown };
  try {
    event = JSON.parse(line) as typeof event;
  } catch (cause) {
    throw new KubeError(`${what}: a watch that is no JSON`, { code: 0, reason: 'BadAnswer', cause });
  }
  if (event.type === 'ERROR') {
    const status = event.object as Status;
    throw KubeError.from(what, status.code ?? 500, status);
  }
  return event as WatchEvent<T>;
}
