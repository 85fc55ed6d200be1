import { realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';

/** Where a store's files are. All of them lie in one directory, so that every process that sees one sees all. */
export interface StorePaths {
  readonly file: string;
  readonly directory: string;
  /** SQLite's write-ahead log and its index in shared memory. */
  readonly wal: string;
  readonly shm: string;
  /** Held by whoever opens, repairs or writes. */
  readonly lock: string;
  /** Which machine uses the store: host-record.ts. */
  readonly host: string;
}

/** Links are resolved: two names of one store must not have two locks. */
export function storePaths(file: string): StorePaths {
  const absolute = resolve(file);
  const real =
    realPath(absolute) ?? join(realPath(dirname(absolute)) ?? dirname(absolute), basename(absolute));
  return {
    file: real,
    directory: dirname(real),
    wal: `${real}-wal`,
    shm: `${real}-shm`,
    lock: `${real}-lock`,
    host: `${real}-host`,
  };
}

/** `device:inode` of what is at `path`; `undefined` where there is nothing. Opens nothing: see open.ts, `connect`. */
export function fileIdOf(path: string): string | undefined {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stat && `${stat.dev}:${stat.ino}`;
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}
