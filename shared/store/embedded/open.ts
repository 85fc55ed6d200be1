import { Database } from 'bun:sqlite';
import { closeSync, copyFileSync, existsSync, openSync, statSync } from 'node:fs';
import { fsyncDirectory, rename } from '../../sys/file.ts';
import { StoreDamagedError, StoreMissingError } from '../errors.ts';
import { checkDatabase, isDamage, isLogDamaged } from './check.ts';
import type { StoreEnvironment } from './environment.ts';
import { requireLocalFilesystem } from './filesystem.ts';
import { checkHost, HEARTBEAT_MS, readHostRecord, writeHostRecord } from './host-record.ts';
import { fileIdOf, type StorePaths } from './paths.ts';
import { configure, createSchema } from './schema.ts';
import { setAside } from './set-aside.ts';
import { Tables } from './tables.ts';
import { TemporaryFile } from './temporary.ts';

export interface OpenOptions {
  /** Make the store where there is none. */
  readonly create: boolean;
  /** `set-aside` renames a damaged store and starts a new one; `refuse` throws and touches nothing. */
  readonly onDamage: 'set-aside' | 'refuse';
}

/** Something that an operator should hear of. */
export type StoreReport =
  | {
      /** The store was damaged or gone; a new one stands in for it. */
      readonly type: 'rebuilt';
      readonly reason: string;
      /** Where the damaged file is now; `undefined` where there was none. */
      readonly setAside?: string;
      /** True if only the log was damaged: the objects of the last checkpoint are still there. */
      readonly partial: boolean;
    }
  | { readonly type: 'watch-lost'; readonly reason: string };

/** An open store file. */
export interface OpenedStore {
  readonly db: Database;
  readonly tables: Tables;
  /** `device:inode` of the file that this is; another one at the same path means that it was replaced. */
  readonly fileId: string;
  readonly epoch: string;
  readonly report?: StoreReport;
}

/**
 * Opens the store, checks it and, where that is asked for, replaces a damaged one. The caller holds the lock, so two
 * processes that find the same damage do this one after the other, and the second finds a good store.
 *
 * @param hadOne the caller had a store open at this path, so one that is gone was lost even if its record is gone too
 * @throws StoreRefusedError, StoreMissingError, StoreDamagedError, SQLiteError (disk full, read error)
 */
export function openStore(
  paths: StorePaths,
  environment: StoreEnvironment,
  options: OpenOptions,
  hadOne: boolean = false,
): OpenedStore {
  requireLocalFilesystem(paths.directory, environment.filesystemType);
  const record = readHostRecord(paths.host);
  const { wallMs } = environment.clock.now();
  checkHost(record, environment.host, wallMs, paths.host);

  const opened = openChecked(paths, options, hadOne || record?.epoch !== undefined, wallMs);
  const age = wallMs - (record?.beatMs ?? 0);
  const known = record?.bootId === environment.host.bootId && record.epoch === opened.epoch;
  if (!known || age < 0 || age >= HEARTBEAT_MS) {
    writeHostRecord(paths.host, { format: 1, ...environment.host, beatMs: wallMs, epoch: opened.epoch });
  }
  return opened;
}

function openChecked(
  paths: StorePaths,
  options: OpenOptions,
  existedBefore: boolean,
  wallMs: number,
): OpenedStore {
  const stat = statSync(paths.file, { throwIfNoEntry: false });
  if (stat === undefined || stat.size === 0) {
    if (!existedBefore && !options.create) {
      throw new StoreMissingError(
        `there is no store at ${paths.file}; start the agent, or name it with --store`,
      );
    }
    if (!existedBefore) return startOver(paths, wallMs, undefined);
    return replaceDamaged(paths, options, stat ? 'the file is empty' : 'the file is gone', wallMs, false);
  }
  // Before SQLite sees it: SQLite would take a damaged log for an empty one and overwrite it.
  if (isLogDamaged(paths.wal)) {
    return replaceDamaged(paths, options, 'the header of the write-ahead log is damaged', wallMs, true);
  }
  const db = connect(paths.file);
  try {
    const check = checkDatabase(db, paths.file, stat.size);
    if (check.result === 'good') return wrap(db, paths);
    db.close();
    if (check.result === 'empty' && !existedBefore) return startOver(paths, wallMs, undefined);
    const reason = check.result === 'empty' ? 'the file has no tables' : check.reason;
    return replaceDamaged(paths, options, reason, wallMs, false);
  } catch (error) {
    db.close();
    throw error;
  }
}

function replaceDamaged(
  paths: StorePaths,
  options: OpenOptions,
  reason: string,
  wallMs: number,
  onlyLog: boolean,
): OpenedStore {
  if (options.onDamage === 'refuse') {
    throw new StoreDamagedError(
      `${paths.file} is damaged (${reason}); a starting agent sets it aside and makes a new one, into which ` +
        "'underpod restore' can put a backup",
    );
  }
  const aside = existsSync(paths.file) || existsSync(paths.wal) ? setAside(paths, wallMs) : undefined;
  const rebuilt = { atMs: wallMs, reason };
  const kept = onlyLog && aside !== undefined ? continueFrom(paths, aside, rebuilt) : undefined;
  const opened = kept ?? startOver(paths, wallMs, rebuilt);
  const report = {
    type: 'rebuilt',
    reason,
    partial: kept !== undefined,
    ...(aside && { setAside: aside }),
  } as const;
  return { ...opened, report };
}

/** Makes an empty store. One that stands in for another counts on from the time, far above what the old one reached. */
function startOver(
  paths: StorePaths,
  wallMs: number,
  rebuilt: { atMs: number; reason: string } | undefined,
): OpenedStore {
  // By its own hands, because SQLite would make it readable for everybody.
  if (!existsSync(paths.file)) closeSync(openSync(paths.file, 'wx', 0o600));
  const db = connect(paths.file);
  try {
    configure(db);
    createSchema(db, {
      epoch: newEpoch(),
      sequence: rebuilt === undefined ? 0 : rebuilt.atMs,
      createdMs: wallMs,
      ...(rebuilt && { rebuilt }),
    });
    fsyncDirectory(paths.directory);
    return wrap(db, paths);
  } catch (error) {
    db.close();
    throw error;
  }
}

/**
 * Where only the log was damaged: a copy of the main file, as of the last checkpoint, becomes the new store. It gets
 * its place only when it says itself that it was rebuilt, so that a crash in between does not hide the loss.
 */
function continueFrom(
  paths: StorePaths,
  aside: string,
  rebuilt: { atMs: number; reason: string },
): OpenedStore | undefined {
  if (!existsSync(aside)) return undefined;
  using copy = new TemporaryFile(paths.file, 'new');
  copyFileSync(aside, copy.path);
  if (!markRebuilt(copy.path, rebuilt)) return undefined;
  rename(copy.path, paths.file);
  fsyncDirectory(paths.directory);
  const db = connect(paths.file);
  configure(db);
  return wrap(db, paths);
}

/** `false` where the copy is no good either. */
function markRebuilt(copy: string, rebuilt: { atMs: number; reason: string }): boolean {
  const db = connect(copy);
  try {
    if (checkDatabase(db, copy, statSync(copy).size).result !== 'good') return false;
    using tables = new Tables(db);
    tables.begin('IMMEDIATE');
    const state = tables.state();
    // What the log held is unknown, so whoever saw any of it has to list again.
    const sequence = Math.max(state.sequence, rebuilt.atMs);
    tables.forgetTombstones(sequence);
    tables.setState({
      ...state,
      epoch: newEpoch(),
      sequence,
      floor: sequence,
      rebuiltMs: rebuilt.atMs,
      rebuiltReason: rebuilt.reason,
    });
    tables.commit();
    return true;
  } catch (error) {
    if (!isDamage(error)) throw error;
    return false;
  } finally {
    // The last one to close brings its log into the file and removes it.
    db.close();
  }
}

/** A short random name; it only has to differ from the epochs of this store's past. */
export function newEpoch(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(6))).toString('hex');
}

/**
 * SQLite locks its file by fcntl(2), and a process loses all such locks on a file when it closes any descriptor of it.
 * So nothing but SQLite may ever open a store that this process has open, not even to read a byte.
 */
function connect(file: string): Database {
  return new Database(file, { readwrite: true, create: false, strict: true });
}

function wrap(db: Database, paths: StorePaths): OpenedStore {
  const tables = new Tables(db);
  const fileId = fileIdOf(paths.file);
  if (fileId === undefined) throw new StoreMissingError(`${paths.file} was removed while it was opened`);
  return { db, tables, fileId, epoch: tables.state().epoch };
}
