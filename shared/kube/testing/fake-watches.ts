/** The running watches of a fake API server. */

import type { ApiObject } from '../types.ts';
import type { Change, FakeStore } from './fake-store.ts';

export interface WatchRequest {
  readonly collection: string;
  readonly matches: (object: ApiObject) => boolean;
  /** Empty: everything there is comes first. */
  readonly version: string;
  readonly bookmarks: boolean;
  readonly timeoutMs: number;
}

interface Running {
  readonly end: () => void;
  readonly bookmark: (version: string) => void;
}

export class FakeWatches {
  readonly #store: FakeStore;
  readonly #running = new Set<Running>();
  #frozen = false;

  constructor(store: FakeStore) {
    this.#store = store;
  }

  get size(): number {
    return this.#running.size;
  }

  /** Connections stay open and nothing comes: a server that hangs. */
  freeze(frozen: boolean): void {
    this.#frozen = frozen;
  }

  /** @param version by default the newest */
  bookmark(version: string = String(this.#store.version)): void {
    for (const watch of [...this.#running]) watch.bookmark(version);
  }

  /** As a server does when the time of a watch is over. */
  end(): void {
    for (const watch of [...this.#running]) watch.end();
  }

  open(request: WatchRequest): Response {
    const store = this.#store;
    const encoder = new TextEncoder();
    let close = (): void => {};
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        const write = (line: unknown): void => {
          if (!this.#frozen) controller.enqueue(encoder.encode(`${JSON.stringify(line)}\n`));
        };
        // Bun's server keeps the head of an answer back until there is something of the body.
        controller.enqueue(encoder.encode('\n'));
        const status = staleness(request.version, store);
        if (status) {
          write({ type: 'ERROR', object: status });
          controller.close();
          return;
        }
        for (const line of backlog(request, store)) write(line);
        const listener = store.listen((change) => {
          const line = lineOf(change, request);
          if (line) write(line);
        });
        const timer = setTimeout(() => running.end(), request.timeoutMs);
        close = (): void => {
          clearTimeout(timer);
          listener[Symbol.dispose]();
          this.#running.delete(running);
        };
        const running: Running = {
          end: () => {
            close();
            controller.close();
          },
          bookmark: (resourceVersion) => {
            if (request.bookmarks) write({ type: 'BOOKMARK', object: { metadata: { resourceVersion } } });
          },
        };
        this.#running.add(running);
      },
      cancel: () => close(),
    });
    return new Response(body, { headers: { 'content-type': 'application/json' } });
  }
}

function staleness(version: string, store: FakeStore): object | undefined {
  if (version === '' || version === '0' || Number(version) >= store.floor) return undefined;
  const message = `too old resource version: ${version} (${store.floor})`;
  return { kind: 'Status', apiVersion: 'v1', status: 'Failure', code: 410, reason: 'Expired', message };
}

function backlog(request: WatchRequest, store: FakeStore): object[] {
  const { version, collection, matches } = request;
  if (version === '' || version === '0') {
    return store
      .all(collection)
      .filter(matches)
      .map((object) => ({ type: 'ADDED', object }));
  }
  return store.since(collection, Number(version)).flatMap((change) => lineOf(change, request) ?? []);
}

/** A change as a watch with a selector sees it: what begins to match joins, what stops to match leaves. */
function lineOf(change: Change, { collection, matches }: WatchRequest): object | undefined {
  if (change.collection !== collection) return undefined;
  const { object, before, type } = change;
  const was = before !== undefined && matches(before);
  const is = type !== 'DELETED' && matches(object);
  if (!was && !is) return undefined;
  return { type: !was ? 'ADDED' : !is ? 'DELETED' : 'MODIFIED', object };
}
