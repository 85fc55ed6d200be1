import type { Database } from 'bun:sqlite';

/** `PRAGMA application_id` of our files: "uPod" in ASCII. */
export const APPLICATION_ID: number = 0x75506f64;

/** `PRAGMA user_version`: the layout below. A release reads this one and the one before. */
export const FORMAT: number = 1;

/**
 * - `state` is one row. `sequence` counts every change to any object; `floor` is the sequence up to which deletions
 *   have been forgotten, so that a watch cannot start below it.
 * - `objects.seq` is an object's resourceVersion, `created` the sequence at which it came to be. An object's body is
 *   its JSON without the resourceVersion; `sum` is a CRC-32 over the row, since SQLite checks its own structure but
 *   not what is in it.
 * - `tombstones` are the deletions that watches still have to tell. Changes need no log: `objects.seq` is an index.
 */
const schema = `
CREATE TABLE state (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  epoch TEXT NOT NULL,
  sequence INTEGER NOT NULL,
  floor INTEGER NOT NULL,
  created_ms INTEGER NOT NULL,
  rebuilt_ms INTEGER,
  rebuilt_reason TEXT
) STRICT;
CREATE TABLE objects (
  id INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,
  namespace TEXT NOT NULL,
  name TEXT NOT NULL,
  seq INTEGER NOT NULL,
  created INTEGER NOT NULL,
  sum INTEGER NOT NULL,
  body TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX objects_by_name ON objects (kind, namespace, name);
CREATE UNIQUE INDEX objects_by_seq ON objects (seq);
CREATE TABLE tombstones (
  seq INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,
  namespace TEXT NOT NULL,
  name TEXT NOT NULL,
  created INTEGER NOT NULL,
  sum INTEGER NOT NULL,
  body TEXT NOT NULL
) STRICT;
`;

/**
 * Settings of each connection.
 *
 * synchronous=FULL: with WAL, NORMAL would survive a power cut uncorrupted as well, but forget commits that were
 * acknowledged; a sequence number would then be given out twice. The store is written a few times a day (leases are
 * renewed daily, the rest is the operator's hand), so a sync per commit costs an SD card nothing.
 *
 * wal_autocheckpoint=200: 800 kB, a fifth of the default, so that a damaged log takes less with it.
 * mmap_size=0: a read error on a mapped file would be a SIGBUS instead of an error.
 * busy_timeout: writers queue at the store's own lock; SQLite's is met only for moments (recovery, the last close).
 */
const settings = `
PRAGMA busy_timeout = 10000;
PRAGMA synchronous = FULL;
PRAGMA wal_autocheckpoint = 200;
PRAGMA journal_size_limit = 4194304;
PRAGMA mmap_size = 0;
PRAGMA cell_size_check = ON;
PRAGMA trusted_schema = OFF;
PRAGMA foreign_keys = OFF;
`;

/** What a new store starts with. */
export interface NewStore {
  readonly epoch: string;
  readonly sequence: number;
  readonly createdMs: number;
  /** Set where this store stands in for one that was lost. */
  readonly rebuilt?: { readonly atMs: number; readonly reason: string };
}

/** Applies the settings that a connection does not inherit from the file. */
export function configure(db: Database): void {
  db.run(settings);
}

/** Makes the tables in one transaction, switches to WAL and brings all of it into the main file. */
export function createSchema(db: Database, initial: NewStore): void {
  db.run('PRAGMA journal_mode = WAL');
  db.run('BEGIN IMMEDIATE');
  db.run(`PRAGMA application_id = ${APPLICATION_ID}`);
  db.run(`PRAGMA user_version = ${FORMAT}`);
  db.run(schema);
  db.run('INSERT INTO state VALUES (1, ?, ?, ?, ?, ?, ?)', [
    initial.epoch,
    initial.sequence,
    initial.sequence,
    initial.createdMs,
    initial.rebuilt?.atMs ?? null,
    initial.rebuilt?.reason ?? null,
  ]);
  db.run('COMMIT');
  db.run('PRAGMA wal_checkpoint(TRUNCATE)');
}

/** The file's own words about itself; reading them fails if the header is damaged. */
export function readHeader(db: Database): { applicationId: number; format: number; tables: number } {
  return {
    applicationId: readNumber(db, 'PRAGMA application_id'),
    format: readNumber(db, 'PRAGMA user_version'),
    tables: readNumber(db, 'SELECT count(*) FROM sqlite_schema'),
  };
}

/** True if the tables are those above, whatever the header says. */
export function hasOurTables(db: Database): boolean {
  return (
    readNumber(db, "SELECT count(*) FROM sqlite_schema WHERE name IN ('state', 'objects', 'tombstones')") ===
    3
  );
}

function readNumber(db: Database, sql: string): number {
  const statement = db.prepare(sql);
  try {
    return Number(statement.values()[0]?.[0]);
  } finally {
    statement.finalize();
  }
}
