import type { Database } from 'bun:sqlite';
import { SQLiteError } from 'bun:sqlite';
import { closeSync, openSync, readSync } from 'node:fs';
import { isErrno } from '../../sys/errno.ts';
import { StoreRefusedError } from '../errors.ts';
import { APPLICATION_ID, configure, FORMAT, hasOurTables, readHeader } from './schema.ts';
import { RowDamagedError, Tables } from './tables.ts';

/** Result codes of sqlite.org/rescode.html; the low byte is the primary code. */
const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;

/**
 * Above this size, in bytes, only the bookkeeping and the nodes are checked at start; other damage is then found when
 * it is read. quick_check and the sums together take 0.7 s for this much (measured, page cache warm, 2 vCPU).
 */
export const FULL_CHECK_BYTES: number = 256 * 1024 * 1024;

/** True for errors that mean damaged bytes, as opposed to a full disk, a lock or a read error. */
export function isDamage(error: unknown): boolean {
  if (error instanceof RowDamagedError) return true;
  if (!(error instanceof SQLiteError)) return false;
  const primary = error.errno & 0xff;
  return primary === SQLITE_CORRUPT || primary === SQLITE_NOTADB;
}

/** `empty` is a file without tables, as a power cut during the very first start leaves it. */
export type CheckResult =
  | { readonly result: 'good' }
  | { readonly result: 'empty' }
  | { readonly result: 'damaged'; readonly reason: string };

/**
 * Configures the connection to a store that was just opened, and checks the store.
 *
 * @param bytes the size of the file
 * @throws StoreRefusedError a database of another program, or of a newer release
 */
export function checkDatabase(db: Database, file: string, bytes: number): CheckResult {
  try {
    configure(db);
    const header = readHeader(db);
    if (header.applicationId === 0 && header.tables === 0) return { result: 'empty' };
    if (header.applicationId !== APPLICATION_ID) {
      if (hasOurTables(db)) return { result: 'damaged', reason: 'the application id was overwritten' };
      throw new StoreRefusedError(
        `${file} is another program's SQLite database; name another file with --store`,
      );
    }
    const structure = checkStructure(db, bytes);
    if (structure !== undefined) return { result: 'damaged', reason: structure };
    if (header.format > FORMAT) {
      const formats = `format ${header.format}, this release reads up to ${FORMAT}`;
      throw new StoreRefusedError(
        `${file} was written by a newer release of underpod (${formats}); update this one`,
      );
    }
    return checkRows(db, bytes);
  } catch (error) {
    if (!isDamage(error)) throw error;
    return { result: 'damaged', reason: describe(error) };
  }
}

function checkStructure(db: Database, bytes: number): string | undefined {
  const scope = bytes <= FULL_CHECK_BYTES ? '1' : 'state';
  const statement = db.prepare(`PRAGMA quick_check(${scope})`);
  try {
    const row = statement.get() as { quick_check: string } | null;
    // quick_check opens with a line that only names the tree; the finding is in the next one.
    return row?.quick_check === 'ok' ? undefined : (row?.quick_check ?? 'no answer').replaceAll('\n', ' ');
  } finally {
    statement.finalize();
  }
}

function checkRows(db: Database, bytes: number): CheckResult {
  using tables = new Tables(db);
  const { sequence, floor, epoch } = tables.state();
  if (epoch === '' || floor > sequence || tables.highestSequence() > sequence) {
    return { result: 'damaged', reason: 'the sequence number is behind the objects' };
  }
  if (bytes <= FULL_CHECK_BYTES) {
    for (const _row of tables.everything());
  } else {
    tables.list('Node');
    tables.list('Lease');
  }
  return { result: 'good' };
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * Looks at the header of a write-ahead log (sqlite.org/fileformat2.html, section 4.1). SQLite takes a log whose header
 * is wrong for an empty one, and would forget in silence what was written since the last checkpoint. Frames that end
 * badly are what a power cut leaves and are not damage: nothing in them was acknowledged.
 *
 * A log may be opened beside SQLite: its locks are on the other two files.
 */
export function isLogDamaged(path: string): boolean {
  const header = Buffer.alloc(32);
  let length: number;
  try {
    const fd = openSync(path, 'r');
    try {
      length = readSync(fd, header, 0, 32, 0);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (isErrno(error, 'ENOENT') || (error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
  // Created and not yet written; after a power cut the bytes may be there as zeros.
  if (length < 32 || header.every((byte) => byte === 0)) return false;
  const magic = header.readUInt32BE(0);
  if (magic !== 0x377f0682 && magic !== 0x377f0683) return true;
  const bigEndian = magic === 0x377f0683;
  let [s0, s1] = [0, 0];
  for (let offset = 0; offset < 24; offset += 8) {
    const word = (at: number): number => (bigEndian ? header.readUInt32BE(at) : header.readUInt32LE(at));
    s0 = (s0 + word(offset) + s1) >>> 0;
    s1 = (s1 + word(offset + 4) + s0) >>> 0;
  }
  return header.readUInt32BE(24) !== s0 || header.readUInt32BE(28) !== s1;
}
