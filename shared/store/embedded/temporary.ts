import { existsSync, readdirSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { processExists } from '../../sys/process.ts';

/** SQLite may leave these beside a database whose process was killed. */
const companions = ['', '-wal', '-shm', '-journal'];

/**
 * A name beside `path` for a file that is not finished yet, `<path>.<pid>.<ending>`. What killed processes left under
 * such names is removed first; disposing removes our own.
 */
export class TemporaryFile implements Disposable {
  readonly path: string;

  constructor(path: string, ending: string) {
    removeLeftovers(path, ending);
    this.path = `${path}.${process.pid}.${ending}`;
    this[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    for (const companion of companions) rmSync(this.path + companion, { force: true });
  }
}

function removeLeftovers(path: string, ending: string): void {
  const directory = dirname(path);
  if (!existsSync(directory)) return;
  const prefix = `${basename(path)}.`;
  for (const name of readdirSync(directory)) {
    if (!name.startsWith(prefix)) continue;
    const [, pid, kind] = /^(\d+)\.([a-z]+)(?:-[a-z]+)?$/.exec(name.slice(prefix.length)) ?? [];
    if (pid === undefined || kind !== ending) continue;
    if (!processExists(Number(pid))) rmSync(join(directory, name), { force: true });
  }
}
