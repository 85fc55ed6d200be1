import type { Instant } from '../clock.ts';
import { ConflictError, InvalidObjectError } from '../errors.ts';
import { formatKey, type KubeObject, keyOf, type ObjectKey } from '../kube-object.ts';
import { MAX_OBJECT_BYTES, validateObject } from '../validate-object.ts';
import type { Row, Tables } from './tables.ts';

/** How many deletions a watch can lag behind before it has to list again. */
export const KEPT_TOMBSTONES: number = 1000;

/**
 * What a write expects to replace: a resourceVersion, `absent`, or nothing in particular. An object that carries a
 * resourceVersion of its own expects that one, as in Kubernetes.
 */
export interface Expectation {
  readonly version?: string | 'absent';
}

/** A consistent view of the store. */
export class ReadView {
  readonly now: Instant;
  protected readonly tables: Tables;

  constructor(tables: Tables, now: Instant) {
    this.tables = tables;
    this.now = now;
  }

  /** The object, or `undefined`. */
  get(key: ObjectKey): KubeObject | undefined {
    const row = this.tables.get(key.kind, key.namespace, key.name);
    return row && toObject(row);
  }

  /** All objects of a kind, ordered by namespace and name. */
  list(kind: string, namespace?: string): KubeObject[] {
    return this.tables.list(kind, namespace).map(toObject);
  }
}

/** Reads and writes that take effect together or not at all. Valid only inside the function it was handed to. */
export class Transaction extends ReadView {
  #sequence: number;
  readonly #before: number;

  constructor(tables: Tables, now: Instant) {
    super(tables, now);
    this.#sequence = tables.state().sequence;
    this.#before = this.#sequence;
  }

  /** True once anything was changed. */
  get changed(): boolean {
    return this.#sequence !== this.#before;
  }

  /**
   * Creates the object or replaces it as a whole. uid and creationTimestamp are the store's. What equals the stored
   * object is not written again, so its resourceVersion stays.
   *
   * @throws ConflictError, InvalidObjectError
   */
  put(value: KubeObject, expect: Expectation = {}): KubeObject {
    const { object } = validateObject(value);
    const key = keyOf(object);
    const old = this.tables.get(key.kind, key.namespace, key.name);
    requireVersion(key, old, expect.version ?? nonEmpty(object.metadata.resourceVersion));
    const { resourceVersion: _, ...metadata } = object.metadata;
    const previous = old && (JSON.parse(old.body) as KubeObject);
    const body = JSON.stringify({
      ...object,
      metadata: {
        ...metadata,
        uid: previous?.metadata.uid ?? crypto.randomUUID(),
        creationTimestamp: previous?.metadata.creationTimestamp ?? rfc3339(this.now.wallMs),
      },
    });
    // Buffer.byteLength counts what the file will hold; a string's length counts half of some characters.
    if (Buffer.byteLength(body) > MAX_OBJECT_BYTES) {
      throw new InvalidObjectError(
        `${formatKey(key)} is larger than ${MAX_OBJECT_BYTES} bytes, Kubernetes' limit`,
      );
    }
    if (old !== undefined && Bun.deepEquals(JSON.parse(body), previous, true)) return toObject(old);
    const seq = this.#next();
    const row = { ...key, seq, created: old?.created ?? seq, body };
    this.tables.put(row);
    return toObject(row);
  }

  /**
   * Removes the object. `undefined` when there was none, else the object as it was.
   *
   * @throws ConflictError
   */
  delete(key: ObjectKey, expect: Expectation = {}): KubeObject | undefined {
    const old = this.tables.get(key.kind, key.namespace, key.name);
    if (old === undefined && expect.version === undefined) return undefined;
    requireVersion(key, old, expect.version);
    if (old === undefined) return undefined;
    this.tables.delete(key.kind, key.namespace, key.name);
    this.tables.addTombstone({ ...old, seq: this.#next() });
    return toObject(old);
  }

  /** Writes the bookkeeping; the store calls it before it commits. */
  finish(): void {
    if (!this.changed) return;
    this.tables.setSequence(this.#sequence);
    const forget = this.tables.tombstoneToForget(KEPT_TOMBSTONES);
    if (forget === undefined) return;
    this.tables.forgetTombstones(forget);
    this.tables.setFloor(forget);
  }

  #next(): number {
    this.#sequence += 1;
    return this.#sequence;
  }
}

function requireVersion(key: ObjectKey, old: Row | undefined, expected: string | undefined): void {
  if (expected === undefined) return;
  const actual = old === undefined ? 'absent' : String(old.seq);
  if (actual === expected) return;
  if (expected === 'absent') throw new ConflictError(`${formatKey(key)} already exists`);
  const now =
    old === undefined ? 'does not exist any more' : `is at resourceVersion ${actual}, not ${expected}`;
  throw new ConflictError(`${formatKey(key)} ${now}: read it again and repeat the change`);
}

/** The object as its readers see it. */
export function toObject(row: Row): KubeObject {
  const object = JSON.parse(row.body) as KubeObject;
  return { ...object, metadata: { ...object.metadata, resourceVersion: String(row.seq) } };
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}

/** meta/v1 Time: RFC 3339 in whole seconds. */
function rfc3339(wallMs: number): string {
  return new Date(wallMs).toISOString().replace(/\.\d{3}Z$/, 'Z');
}
