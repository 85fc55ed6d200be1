/** Leases on the disk, a file each: the daemon that comes next goes on with them. */

import { readDir } from '../../../shared/sys/directory.ts';
import { mkdirp, readFile, unlinkIfExists, writeFileAtomic } from '../../../shared/sys/file.ts';
import { sweepTemporaries } from '../../../shared/sys/sweep.ts';
import type { LeaseRecord } from './record.ts';
import { decodeRecord, encodeRecord } from './record.ts';

const suffix = '.json';

export class LeaseStore {
  readonly #directory: string;

  /** @throws SyscallError where the directory cannot be made */
  constructor(directory: string) {
    this.#directory = directory;
    mkdirp(directory, 0o700);
  }

  /** Writes a lease, under the name that its attachment has among all. Durable when it returns. @throws SyscallError */
  write(name: string, record: LeaseRecord): void {
    writeFileAtomic(this.#path(name), encodeRecord(record), { mode: 0o600 });
  }

  remove(name: string): void {
    unlinkIfExists(this.#path(name));
  }

  /** All leases; those that cannot be read are told to `onError` and left where they are. */
  read(
    onError: (path: string, error: unknown) => void,
  ): { readonly name: string; readonly record: LeaseRecord }[] {
    // Nobody else writes here, so that what is half done is left from a kill.
    sweepTemporaries(this.#directory, 0);
    const found = [];
    for (const { name: file } of readDir(this.#directory)) {
      const path = `${this.#directory}/${file}`;
      if (file.startsWith('.') || !file.endsWith(suffix)) continue;
      try {
        found.push({ name: file.slice(0, -suffix.length), record: decodeRecord(readFile(path)) });
      } catch (error) {
        onError(path, error);
      }
    }
    return found;
  }

  #path(name: string): string {
    return `${this.#directory}/${name}${suffix}`;
  }
}
