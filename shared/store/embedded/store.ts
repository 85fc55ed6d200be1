import type { Clock } from '../clock.ts';
import { TooOldError } from '../errors.ts';
import type { KubeObject, ObjectKey } from '../kube-object.ts';
import type { ObjectBatch, ObjectEvent, ObjectList, ObjectSource } from '../object-source.ts';
import { formatVersion, parseVersion } from '../version.ts';
import { ChangeSignal } from './change-signal.ts';
import { realEnvironment, type StoreEnvironment } from './environment.ts';
import type { StoreReport } from './open.ts';
import { StoreFile } from './store-file.ts';
import type { Tables } from './tables.ts';
import { type Expectation, ReadView, Transaction, toObject } from './transaction.ts';

/** A watch reads this many changes at a time. */
const PAGE = 500;

export interface StoreOptions {
  /** Make the store where there is none. Default: true. */
  readonly create?: boolean;
  /** What to do with a damaged store. Default: `set-aside`. */
  readonly onDamage?: 'set-aside' | 'refuse';
  /** Hears of a store that was set aside, and of a watch that has to do without events. */
  readonly report?: (report: StoreReport) => void;
  /** For tests. */
  readonly environment?: Partial<StoreEnvironment>;
}

export interface StoreInfo {
  readonly file: string;
  readonly version: string;
  /** When and why the store last lost what it knew; ms since 1970. */
  readonly rebuilt?: { readonly atMs: number; readonly reason: string };
}

/** What a store says of its past. */
export interface StorePast {
  /** Changes whenever the past is replaced: see version.ts. */
  readonly epoch: string;
  /** When that last happened, in ms since 1970. */
  readonly rebuiltMs?: number;
}

/**
 * Kubernetes objects in one SQLite file that several processes of one kernel share: see store-file.ts for how they do.
 * All calls but the watch are synchronous inside: a read takes microseconds, a write one fsync.
 */
export class EmbeddedStore implements ObjectSource, Disposable {
  readonly clock: Clock;
  readonly #file: StoreFile;
  readonly #signal: ChangeSignal;

  private constructor(file: StoreFile, signal: ChangeSignal, clock: Clock) {
    this.#file = file;
    this.#signal = signal;
    this.clock = clock;
  }

  /**
   * Opens the store, creating or repairing it as the options say.
   *
   * @throws StoreRefusedError, StoreMissingError, StoreDamagedError
   */
  static open(path: string, options: StoreOptions = {}): EmbeddedStore {
    const environment = { ...realEnvironment(), ...options.environment };
    const report = options.report ?? ((): void => {});
    const { create = true, onDamage = 'set-aside' } = options;
    const file = new StoreFile(path, environment, { create, onDamage }, report);
    const signal = new ChangeSignal(
      file.paths,
      environment,
      () => file.tick(),
      (reason) => report({ type: 'watch-lost', reason }),
    );
    return new EmbeddedStore(file, signal, environment.clock);
  }

  get info(): StoreInfo {
    const state = this.#file.readOne((tables) => tables.state());
    const { rebuiltMs, rebuiltReason } = state;
    return {
      file: this.#file.paths.file,
      version: formatVersion(state.sequence, state.epoch),
      ...(rebuiltMs !== null && { rebuilt: { atMs: rebuiltMs, reason: rebuiltReason ?? '' } }),
    };
  }

  /** One object, or `undefined`. */
  get(key: ObjectKey): KubeObject | undefined {
    const row = this.#file.readOne((tables) => tables.get(key.kind, key.namespace, key.name));
    return row && toObject(row);
  }

  /** All objects of a kind, and the version to watch from. */
  list(kind: string, namespace?: string): ObjectList {
    return this.read((view, version) => ({ items: view.list(kind, namespace), version }));
  }

  /** Several reads from one snapshot. */
  read<T>(work: (view: ReadView, version: string, past: StorePast) => T): T {
    const now = this.clock.now();
    return this.#file.read((tables) => {
      const { sequence, epoch, rebuiltMs } = tables.state();
      const past = { epoch, ...(rebuiltMs !== null && { rebuiltMs }) };
      return work(new ReadView(tables, now), formatVersion(sequence, epoch), past);
    });
  }

  /** See Transaction.put. */
  put(object: KubeObject, expect?: Expectation): KubeObject {
    return this.transact((transaction) => transaction.put(object, expect));
  }

  /** See Transaction.delete. */
  delete(key: ObjectKey, expect?: Expectation): KubeObject | undefined {
    return this.transact((transaction) => transaction.delete(key, expect));
  }

  /**
   * Runs `work` alone among all writers of all processes; its changes are on disk when this returns, and are not made
   * at all if it throws. It must not wait for anything and may run twice.
   */
  transact<T>(work: (transaction: Transaction) => T): T {
    return this.rewrite((tables) => {
      const transaction = new Transaction(tables, this.clock.now());
      const result = work(transaction);
      transaction.finish();
      return result;
    });
  }

  /** A write below the level of objects, for backup and restore. */
  rewrite<T>(work: (tables: Tables) => T): T {
    const result = this.#file.write(work);
    this.#signal.notify();
    return result;
  }

  /** Writes a consistent copy of the file to `path`, which must not exist: see backup.ts. */
  copyTo(path: string): void {
    this.#file.readOne((tables) => tables.copyTo(path));
  }

  async listObjects(kind: string, namespace?: string): Promise<ObjectList> {
    return this.list(kind, namespace);
  }

  async *watchObjects(
    kinds: readonly string[],
    version: string,
    signal: AbortSignal,
  ): AsyncGenerator<ObjectBatch, void, undefined> {
    const start = parseVersion(version);
    if (start === undefined)
      throw new TooOldError(`${JSON.stringify(version)} is no version of this store: list again`);
    using _subscription = this.#signal.subscribe();
    let cursor: Cursor = { ...start, told: start.sequence };
    while (!signal.aborted) {
      const ticket = this.#signal.ticket;
      const page = this.#file.read((tables) => changesAfter(tables, kinds, cursor));
      cursor = page.next;
      if (page.events.length > 0) yield { events: page.events, version: page.version };
      else await this.#signal.changed(ticket, signal);
    }
  }

  /** Closes the file and ends the watches, which then throw. */
  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
    this.#signal[Symbol.dispose]();
  }
}

/** How far a watch has come. */
interface Cursor {
  readonly sequence: number;
  readonly epoch?: string;
  /** What was created after this is new to the watcher; behind `sequence` while a long history is read in pages. */
  readonly told: number;
}

interface Page {
  readonly events: readonly ObjectEvent[];
  readonly version: string;
  readonly next: Cursor;
}

function changesAfter(tables: Tables, kinds: readonly string[], cursor: Cursor): Page {
  const { epoch, floor, sequence } = tables.state();
  if (cursor.epoch !== undefined && cursor.epoch !== epoch) {
    throw new TooOldError('the store was rebuilt or restored: list again');
  }
  if (cursor.sequence < floor || cursor.sequence > sequence) {
    throw new TooOldError(
      `changes after ${cursor.sequence} are not known, only those after ${floor}: list again`,
    );
  }
  const rows = tables.changes(kinds, cursor.sequence, cursor.told, PAGE);
  const events = rows.map((row): ObjectEvent => {
    const type = row.deleted ? 'deleted' : row.created > cursor.told ? 'added' : 'modified';
    return { type, object: toObject(row) };
  });
  const last = rows.at(-1)?.seq;
  // A full page may not be all of it: the next one starts after its last row.
  const next =
    rows.length === PAGE && last !== undefined
      ? { sequence: last, epoch, told: cursor.told }
      : { sequence, epoch, told: sequence };
  return { events, version: formatVersion(next.sequence, epoch), next };
}
