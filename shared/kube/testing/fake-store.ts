/** What the fake API server remembers: objects, their versions, and the history that watches are served from. */

import type { ApiObject } from '../types.ts';

export interface Change {
  readonly version: number;
  readonly collection: string;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: ApiObject;
  readonly before: ApiObject | undefined;
}

/** A refusal, as a Status is made of it. */
export class Refusal extends Error {
  readonly code: number;
  readonly reason: string;
  readonly details: object | undefined;

  constructor(code: number, reason: string, message: string, details?: object) {
    super(message);
    this.code = code;
    this.reason = reason;
    this.details = details;
  }
}

/** When everything is deleted that has finalizers. */
const DELETED_AT = '2026-01-01T00:00:00Z';

export class FakeStore {
  readonly #collections = new Map<string, Map<string, ApiObject>>();
  readonly #listeners = new Set<(change: Change) => void>();
  #history: Change[] = [];
  /** A real server's versions do not begin at 1 either. */
  #version = 1000;
  #floor = 1000;
  #uids = 0;

  get version(): number {
    return this.#version;
  }

  /** Versions before this one are forgotten. */
  get floor(): number {
    return this.#floor;
  }

  /** Ordered by namespace and name. */
  all(collection: string): ApiObject[] {
    const objects = this.#collections.get(collection) ?? new Map<string, ApiObject>();
    return [...objects].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, object]) => object);
  }

  get(collection: string, key: string): ApiObject {
    const object = this.#collections.get(collection)?.get(key);
    if (!object) throw new Refusal(404, 'NotFound', `${collection} "${key}" not found`);
    return object;
  }

  create(collection: string, key: string, object: ApiObject): ApiObject {
    const objects = this.#collections.get(collection) ?? new Map<string, ApiObject>();
    if (objects.has(key)) throw new Refusal(409, 'AlreadyExists', `${collection} "${key}" already exists`);
    this.#collections.set(collection, objects);
    this.#uids += 1;
    return this.#put(collection, key, {
      ...object,
      metadata: { ...object.metadata, uid: `uid-${this.#uids}` },
    });
  }

  /** A `resourceVersion` in the object must be the current one. */
  replace(collection: string, key: string, object: ApiObject): ApiObject {
    const before = this.get(collection, key);
    const { resourceVersion } = object.metadata;
    if (resourceVersion !== undefined && resourceVersion !== before.metadata.resourceVersion) {
      throw new Refusal(409, 'Conflict', `${collection} "${key}": the object has been modified`);
    }
    const { uid, deletionTimestamp } = before.metadata;
    const metadata = {
      ...object.metadata,
      ...(uid && { uid }),
      ...(deletionTimestamp && { deletionTimestamp }),
    };
    const stored = this.#put(collection, key, { ...object, metadata });
    // Its last finalizer went.
    if (deletionTimestamp && !metadata.finalizers?.length) this.#remove(collection, key, stored);
    return stored;
  }

  /** What has finalizers stays until they are gone. */
  delete(collection: string, key: string): ApiObject {
    const before = this.get(collection, key);
    const { metadata } = before;
    if (!metadata.finalizers?.length) {
      this.#remove(collection, key, before);
      return before;
    }
    if (metadata.deletionTimestamp) return before;
    return this.#put(collection, key, {
      ...before,
      metadata: { ...metadata, deletionTimestamp: DELETED_AT },
    });
  }

  #remove(collection: string, key: string, before: ApiObject): void {
    this.#collections.get(collection)?.delete(key);
    this.#version += 1;
    const metadata = { ...before.metadata, resourceVersion: String(this.#version) };
    this.#changed({
      version: this.#version,
      collection,
      type: 'DELETED',
      object: { ...before, metadata },
      before,
    });
  }

  /** History up to now is gone, as after etcd's compaction. */
  compact(): void {
    this.#version += 1;
    this.#floor = this.#version;
    this.#history = [];
  }

  since(collection: string, version: number): Change[] {
    return this.#history.filter((change) => change.collection === collection && change.version > version);
  }

  listen(listener: (change: Change) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }

  #put(collection: string, key: string, object: ApiObject): ApiObject {
    const before = this.#collections.get(collection)?.get(key);
    // A write that changes nothing is none.
    if (before && sameContent(before, object)) return before;
    this.#version += 1;
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(this.#version) } };
    this.#collections.get(collection)?.set(key, stored);
    const type = before ? 'MODIFIED' : 'ADDED';
    this.#changed({ version: this.#version, collection, type, object: stored, before });
    return stored;
  }

  #changed(change: Change): void {
    this.#history.push(change);
    for (const listener of [...this.#listeners]) listener(change);
  }
}

function sameContent(a: ApiObject, b: ApiObject): boolean {
  const bare = ({ metadata: { resourceVersion: _, ...metadata }, ...rest }: ApiObject): string =>
    JSON.stringify([metadata, rest]);
  return bare(a) === bare(b);
}
