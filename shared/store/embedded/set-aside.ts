import { existsSync, readdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fsyncDirectory, rename } from '../../sys/file.ts';
import type { StorePaths } from './paths.ts';

/** How many damaged stores are kept; a failing disk must not fill itself with them. */
const KEEP = 5;

/**
 * Renames a damaged store and its log, so that they can be examined: `store.db.damaged-20260131T120000.000Z`, with
 * `-wal` and `-shm` after it as SQLite expects them. The caller holds the lock.
 *
 * The log goes first: a crash between the renames must not leave a new store beside an old log.
 *
 * @returns the new name of the main file
 */
export function setAside(paths: StorePaths, wallMs: number): string {
  const time = new Date(wallMs).toISOString().replaceAll(/[-:]/g, '');
  let target = `${paths.file}.damaged-${time}`;
  for (let copy = 2; existsSync(target) || existsSync(`${target}-wal`); copy += 1) {
    target = `${paths.file}.damaged-${time}.${copy}`;
  }
  for (const suffix of ['-wal', '-shm', '']) {
    if (existsSync(paths.file + suffix)) rename(paths.file + suffix, target + suffix);
  }
  fsyncDirectory(paths.directory);
  prune(paths, target);
  return target;
}

function prune(paths: StorePaths, newest: string): void {
  const prefix = `${basename(paths.file)}.damaged-`;
  const names = readdirSync(paths.directory)
    .filter((name) => name.startsWith(prefix) && !/-(wal|shm)$/.test(name) && name !== basename(newest))
    .sort();
  for (const name of names.slice(0, Math.max(0, names.length - (KEEP - 1)))) {
    for (const suffix of ['', '-wal', '-shm']) rmSync(join(paths.directory, name + suffix), { force: true });
  }
}
