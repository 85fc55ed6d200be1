/**
 * A directory in which volumes are kept: `volumes/ID/volume.json` with the data beside it, `snapshots/ID/snapshot.json` likewise.
 * Everything there is to know of a volume is there, so that a pool can be carried to another machine.
 */

import { readdirSync } from 'node:fs';
import { errnoNumber, isErrno, SyscallError } from '../../../shared/sys/errno.ts';
import {
  fsyncDirectory,
  mkdirp,
  readTextIfExists,
  rmdir,
  unlinkIfExists,
  writeFileAtomic,
} from '../../../shared/sys/file.ts';
import { isDirectory, isLink, lstat, statfs } from '../../../shared/sys/stat.ts';
import { sweepTemporaries } from '../../../shared/sys/sweep.ts';
import { isId } from '../ids.ts';
import {
  formatRecord,
  parseSnapshotRecord,
  parseVolumeRecord,
  RecordError,
  type SnapshotRecord,
  type VolumeRecord,
} from '../record.ts';
import { type Claim, roomFor } from './capacity.ts';

export interface PoolOptions {
  readonly name: string;
  readonly directory: string;
  /** Of the file system's size, 0 to 1: what nobody gets. */
  readonly reserve: number;
  /** Bytes of a place that are its own already. @returns 0 where that cannot be told */
  readonly taken: (place: string, record: VolumeRecord | SnapshotRecord) => number;
  /** Promises of others on the same file system. */
  readonly others?: () => Iterable<Claim>;
  /** Something is there that is nobody's, or cannot be read. */
  readonly onTrouble: (path: string, why: string) => void;
}

/** One kind of things in the pool. */
interface Shelf<R> {
  readonly directory: string;
  readonly file: string;
  readonly parse: (text: string, id: string) => R;
  readonly records: Map<string, R>;
}

export class Pool {
  readonly name: string;
  readonly directory: string;
  readonly #options: PoolOptions;
  readonly #volumes: Shelf<VolumeRecord>;
  readonly #snapshots: Shelf<SnapshotRecord>;

  private constructor(options: PoolOptions) {
    this.#options = options;
    this.name = options.name;
    this.directory = options.directory;
    this.#volumes = shelf(`${options.directory}/volumes`, 'volume.json', parseVolumeRecord);
    this.#snapshots = shelf(`${options.directory}/snapshots`, 'snapshot.json', parseSnapshotRecord);
  }

  /** Reads what is there; makes the directories that are missing. @throws SyscallError */
  static open(options: PoolOptions): Pool {
    const pool = new Pool(options);
    pool.#load(pool.#volumes);
    pool.#load(pool.#snapshots);
    return pool;
  }

  get volumes(): ReadonlyMap<string, VolumeRecord> {
    return this.#volumes.records;
  }

  get snapshots(): ReadonlyMap<string, SnapshotRecord> {
    return this.#snapshots.records;
  }

  /** Where a volume's data is. */
  volumePlace(id: string): string {
    return `${this.#volumes.directory}/${checked(id)}`;
  }

  snapshotPlace(id: string): string {
    return `${this.#snapshots.directory}/${checked(id)}`;
  }

  /** Bytes that a new volume may have. @throws SyscallError where the pool cannot be asked */
  room(): number {
    const { total, available } = this.space();
    return roomFor({ total, available, reserve: total * this.#options.reserve }, this.#allClaims());
  }

  /** Of the file system that it is on, in bytes. @throws SyscallError */
  space(): { readonly total: number; readonly available: number } {
    const { size, available } = statfs(this.directory);
    return { total: size, available };
  }

  /** Keeps a volume's record, durably. @throws SyscallError; what was kept before is kept still then */
  keepVolume(record: VolumeRecord): void {
    keep(this.#volumes, record);
  }

  keepSnapshot(record: SnapshotRecord): void {
    keep(this.#snapshots, record);
  }

  /** Forgets a volume whose data is gone. */
  forgetVolume(id: string): void {
    forget(this.#volumes, id);
  }

  forgetSnapshot(id: string): void {
    forget(this.#snapshots, id);
  }

  *#allClaims(): Generator<Claim> {
    yield* this.claims();
    yield* this.#options.others?.() ?? [];
  }

  /** What is promised here. */
  *claims(): Generator<Claim> {
    const { taken } = this.#options;
    for (const record of this.#volumes.records.values())
      yield { size: record.size, taken: taken(this.volumePlace(record.id), record) };
    for (const record of this.#snapshots.records.values())
      yield { size: record.size, taken: taken(this.snapshotPlace(record.id), record) };
  }

  #load<R>(one: Shelf<R>): void {
    const { onTrouble } = this.#options;
    // Whoever may not read a volume cannot go round its mount either.
    mkdirp(one.directory, 0o700);
    requireDirectory(one.directory);
    for (const id of readdirSync(one.directory)) {
      const path = `${one.directory}/${id}`;
      if (isLink(lstat(path))) {
        onTrouble(path, 'it is a link, which leads nobody knows where');
        continue;
      }
      if (!isId(id)) {
        onTrouble(path, 'it is no volume');
        continue;
      }
      try {
        // Nobody else writes here: what is half written is of a driver that was killed.
        if (isDirectory(lstat(path))) sweepTemporaries(path, 0);
        const text = readTextIfExists(`${path}/${one.file}`);
        if (text !== undefined) one.records.set(id, one.parse(text, id));
        else if (!removedEmpty(path))
          onTrouble(path, 'it has no record: its making was cut off, or somebody put it there');
      } catch (error) {
        if (!(error instanceof RecordError)) throw error;
        onTrouble(path, `its record is damaged: ${error.message}`);
      }
    }
  }
}

function shelf<R>(directory: string, file: string, parse: Shelf<R>['parse']): Shelf<R> {
  return { directory, file, parse, records: new Map() };
}

/** Ids reach paths here alone. */
function checked(id: string): string {
  if (!isId(id)) throw new Error(`${JSON.stringify(id)} is no id`);
  return id;
}

function keep<R extends VolumeRecord | SnapshotRecord>(one: Shelf<R>, record: R): void {
  const place = `${one.directory}/${checked(record.id)}`;
  // What a power cut leaves of one that is being made is found by whoever makes it again, with a record or without.
  const fsync = record.state !== 'making';
  mkdirp(place, 0o700);
  requireDirectory(place);
  writeFileAtomic(`${place}/${one.file}`, formatRecord(record), { mode: 0o600, fsync });
  if (fsync) fsyncDirectory(one.directory);
  one.records.set(record.id, record);
}

/** No link, which would have everything below it done elsewhere. @throws SyscallError ENOTDIR */
function requireDirectory(path: string): void {
  if (!isDirectory(lstat(path))) throw new SyscallError('open', errnoNumber('ENOTDIR'), path);
}

function forget<R>(one: Shelf<R>, id: string): void {
  const place = `${one.directory}/${checked(id)}`;
  unlinkIfExists(`${place}/${one.file}`);
  try {
    rmdir(place);
  } catch (error) {
    // What else is there is not of this driver, and is told at the next start.
    if (!isErrno(error, 'ENOENT', 'ENOTEMPTY')) throw error;
  }
  fsyncDirectory(one.directory);
  one.records.delete(id);
}

/** Of one whose record was removed last before the driver was killed. */
function removedEmpty(path: string): boolean {
  try {
    rmdir(path);
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOTEMPTY', 'ENOTDIR', 'EROFS')) return false;
    throw error;
  }
}
