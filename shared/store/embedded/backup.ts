import { Database } from 'bun:sqlite';
import { chmodSync, closeSync, existsSync, fsyncSync, openSync, readSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fsyncDirectory, rename } from '../../sys/file.ts';
import { StoreDamagedError, StoreRefusedError } from '../errors.ts';
import { checkDatabase } from './check.ts';
import { fileIdOf } from './paths.ts';
import { APPLICATION_ID } from './schema.ts';
import type { EmbeddedStore } from './store.ts';
import { Tables } from './tables.ts';
import { TemporaryFile } from './temporary.ts';

/** What is in a backup. */
export interface BackupContents {
  readonly objects: number;
  readonly bytes: number;
}

/**
 * Writes a consistent copy of the store to `target` while others go on using it. The copy is checked and synced before
 * it appears under its name, in place of an older backup.
 *
 * @throws StoreRefusedError `target` is a store in use or a file of something else
 * @throws StoreDamagedError the store has damage that only reading all of it shows
 */
export function backupStore(store: EmbeddedStore, target: string): BackupContents {
  const path = resolve(target);
  requireBackupOrNothing(store, path);
  using temporary = new TemporaryFile(path, 'tmp');
  store.copyTo(temporary.path);
  chmodSync(temporary.path, 0o600);
  const contents = inspectBackup(temporary.path, path);
  const fd = openSync(temporary.path, 'r+');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  rename(temporary.path, path);
  fsyncDirectory(dirname(path));
  return contents;
}

/**
 * Reads a backup from end to end; `path` must be a copy that nobody else uses.
 *
 * @param name what messages call it
 * @throws StoreDamagedError, StoreRefusedError (not a backup, or a newer release's)
 */
export function inspectBackup(path: string, name: string = path): BackupContents {
  const db = openBackup(path);
  try {
    // Whatever its size: unlike at an agent's start, nobody waits for pods here.
    const check = checkDatabase(db, name, 0);
    if (check.result === 'empty')
      throw new StoreRefusedError(`${name} is an empty database, no backup of a store`);
    if (check.result === 'damaged') throw new StoreDamagedError(`${name} is damaged: ${check.reason}`);
    using tables = new Tables(db);
    let objects = 0;
    for (const _row of tables.everything()) objects += 1;
    return { objects, bytes: statSync(path).size };
  } finally {
    db.close();
  }
}

/**
 * Opens a copy that is ours alone, for reading. Writable all the same: a store that was copied while nobody used it is
 * in WAL mode, and SQLite then wants to make a log beside it (and removes it when it closes the file).
 */
export function openBackup(path: string): Database {
  return new Database(path, { readwrite: true, create: false, strict: true });
}

function requireBackupOrNothing(store: EmbeddedStore, path: string): void {
  if (!existsSync(dirname(path))) {
    throw new StoreRefusedError(
      `${dirname(path)} does not exist; make the directory first, or name another file`,
    );
  }
  const id = fileIdOf(path);
  if (id === undefined) return;
  if (id === fileIdOf(store.info.file)) {
    throw new StoreRefusedError(`${path} is the store itself; name another file for the backup`);
  }
  if (existsSync(`${path}-wal`) || existsSync(`${path}-lock`)) {
    throw new StoreRefusedError(`${path} is a store in use, not a backup; name another file`);
  }
  if (!hasOurHeader(path)) {
    throw new StoreRefusedError(
      `${path} exists and is no backup of a store; remove it, or name another file`,
    );
  }
}

/** sqlite.org/fileformat2.html, section 1.3: a magic string, and the application id at offset 68. */
function hasOurHeader(path: string): boolean {
  if (!statSync(path).isFile()) return false;
  const header = Buffer.alloc(100);
  const fd = openSync(path, 'r');
  try {
    if (readSync(fd, header, 0, 100, 0) < 100) return false;
  } finally {
    closeSync(fd);
  }
  return header.toString('latin1', 0, 15) === 'SQLite format 3' && header.readUInt32BE(68) === APPLICATION_ID;
}
