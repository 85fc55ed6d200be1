import { existsSync, mkdirSync, statSync } from 'node:fs';
import { type FileLock, lock, tryLock } from '../../sys/lock.ts';
import { isStoreRefused, StoreMissingError, StoreRefusedError } from '../errors.ts';
import { isDamage } from './check.ts';
import type { StoreEnvironment } from './environment.ts';
import { requireLocalFilesystem } from './filesystem.ts';
import { HEARTBEAT_MS, readHostRecord, requireOwnHost, writeHostRecord } from './host-record.ts';
import { type OpenedStore, type OpenOptions, openStore, type StoreReport } from './open.ts';
import { fileIdOf, type StorePaths, storePaths } from './paths.ts';
import type { Tables } from './tables.ts';

/** How long a writer or opener waits for the others, in ms; a write takes a few. */
const LOCK_TIMEOUT_MS = 30_000;

/**
 * The file under a store: who may touch it, and what happens when it is replaced or found damaged.
 *
 * Writers queue at a lock beside the file. Under it they first make sure that the path still leads to the file they
 * have open: a process that found damage renames the file and makes a new one under the same lock, so no commit can go
 * to a store that was set aside. Readers take no lock; they see the last commit, as SQLite's WAL mode has it.
 */
export class StoreFile implements Disposable {
  readonly paths: StorePaths;
  readonly #environment: StoreEnvironment;
  readonly #options: OpenOptions;
  readonly #report: (report: StoreReport) => void;
  #opened: OpenedStore | undefined;
  #stopped: StoreRefusedError | undefined;
  #beatMs: number;
  #checkpointed = 0;
  #writing = false;
  #hadOne = false;

  /** @throws StoreRefusedError, StoreMissingError, StoreDamagedError */
  constructor(
    file: string,
    environment: StoreEnvironment,
    options: OpenOptions,
    report: (report: StoreReport) => void,
  ) {
    this.#environment = environment;
    this.#options = options;
    this.#report = report;
    const named = storePaths(file);
    if (options.create) mkdirSync(named.directory, { recursive: true, mode: 0o755 });
    // Now that the directory is there, links in it can be followed.
    this.paths = storePaths(file);
    if (!options.create && !existsSync(this.paths.file) && !existsSync(this.paths.host)) {
      throw new StoreMissingError(`there is no store at ${file}; start the agent, or name one with --store`);
    }
    const stat = statSync(this.paths.file, { throwIfNoEntry: false });
    if (stat?.isFile() === false)
      throw new StoreRefusedError(`${file} is no regular file; name one with --store`);
    requireLocalFilesystem(this.paths.directory, environment.filesystemType);
    using _held = this.#lock();
    // The file may be mounted over its directory's entry by itself, as containers do. Looked at under the lock, since
    // a process that finds it damaged renames it.
    if (existsSync(this.paths.file)) requireLocalFilesystem(this.paths.file, environment.filesystemType);
    this.#open();
    this.#beatMs = environment.clock.now().wallMs;
  }

  /** Reads from one snapshot. `work` may run twice, if damage is found the first time. */
  read<T>(work: (tables: Tables) => T): T {
    return this.#reading((tables) => {
      tables.begin('DEFERRED');
      try {
        return work(tables);
      } finally {
        tables.rollback();
      }
    });
  }

  /** Like `read` for work of a single statement, which is a snapshot by itself. */
  readOne<T>(work: (tables: Tables) => T): T {
    return this.#reading(work);
  }

  /** Runs `work` in a transaction that no other writer can interleave with. It may run twice, as with `read`. */
  write<T>(work: (tables: Tables) => T): T {
    if (this.#stopped !== undefined) throw this.#stopped;
    if (this.#writing) throw new Error('a transaction within a transaction: it would wait for itself');
    using _held = this.#lock();
    using _writing = this.#markWriting();
    for (let attempt = 1; ; attempt += 1) {
      const tables = this.#current();
      requireOwnHost(this.paths.host, this.#environment.host);
      try {
        tables.begin('IMMEDIATE');
        const result = work(tables);
        tables.commit();
        return result;
      } catch (error) {
        tables.rollback();
        if (!isDamage(error) || attempt === 2) throw error;
        this.#open();
      }
    }
  }

  /** Housekeeping of a long-running process, every few seconds: the heartbeat, and a checkpoint after writes. */
  tick(): void {
    const { wallMs } = this.#environment.clock.now();
    using held = tryLock(this.paths.lock);
    if (held === undefined || this.#opened === undefined) return;
    try {
      if (Math.abs(wallMs - this.#beatMs) >= HEARTBEAT_MS) this.#beat(wallMs);
      const tables = this.#current();
      const { sequence } = tables.state();
      if (sequence !== this.#checkpointed) this.#opened.db.run('PRAGMA wal_checkpoint(PASSIVE)');
      this.#checkpointed = sequence;
    } catch (error) {
      if (isStoreRefused(error)) this.#stopped = error;
      // Anything else meets the next reader or writer, who can tell somebody.
    }
  }

  [Symbol.dispose](): void {
    if (this.#opened === undefined) return;
    // SQLite removes the log by its name when the last one closes: not while somebody is replacing the store.
    using _held = this.#lock();
    this.#close();
    this.#stopped = new StoreRefusedError('the store was closed');
  }

  #markWriting(): Disposable {
    this.#writing = true;
    return {
      [Symbol.dispose]: () => {
        this.#writing = false;
      },
    };
  }

  #reading<T>(work: (tables: Tables) => T): T {
    if (this.#stopped !== undefined) throw this.#stopped;
    const opened = this.#opened;
    if (opened !== undefined && fileIdOf(this.paths.file) === opened.fileId) {
      try {
        return work(opened.tables);
      } catch (error) {
        if (!isDamage(error)) throw error;
        using _held = this.#lock();
        this.#open();
      }
    }
    using _held = this.#lock();
    return work(this.#current());
  }

  /** The open store, opened anew where the path leads to another file by now. The caller holds the lock. */
  #current(): Tables {
    if (this.#stopped !== undefined) throw this.#stopped;
    if (this.#opened === undefined || fileIdOf(this.paths.file) !== this.#opened.fileId) this.#open();
    if (this.#opened === undefined) throw new StoreRefusedError('the store was closed');
    return this.#opened.tables;
  }

  /** Opens, or closes and opens again. The caller holds the lock. */
  #open(): void {
    this.#close();
    this.#opened = openStore(this.paths, this.#environment, this.#options, this.#hadOne);
    this.#hadOne = true;
    if (this.#opened.report) this.#report(this.#opened.report);
  }

  #close(): void {
    const opened = this.#opened;
    this.#opened = undefined;
    opened?.tables[Symbol.dispose]();
    opened?.db.close();
  }

  #beat(wallMs: number): void {
    const { host } = this.#environment;
    requireOwnHost(this.paths.host, host);
    const record = readHostRecord(this.paths.host);
    this.#beatMs = wallMs;
    // One heartbeat is enough for all processes of this machine.
    if (record !== undefined && Math.abs(wallMs - record.beatMs) < HEARTBEAT_MS) return;
    writeHostRecord(this.paths.host, { ...record, format: 1, ...host, beatMs: wallMs });
  }

  #lock(): FileLock {
    return lock(this.paths.lock, LOCK_TIMEOUT_MS);
  }
}
