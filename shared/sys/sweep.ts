import { readDir } from './directory.ts';
import { isErrno } from './errno.ts';
import { unlinkIfExists } from './file.ts';
import { lstat } from './stat.ts';
import { isTemporaryName } from './temporary-name.ts';

/**
 * Age in ms from which on a half-written file has no writer any more: longer than any runtime lets a call take (a
 * kubelet gives up after two minutes), and a write takes a few milliseconds of it.
 */
const abandonedMs = 10 * 60_000;

/**
 * Removes what writers that were killed left half done in a directory (see `writeFileAtomic` and `createExclusive`);
 * a missing directory holds nothing.
 *
 * @returns how many files it removed
 * @throws SyscallError
 */
export function sweepTemporaries(directory: string, olderThanMs: number = abandonedMs): number {
  let removed = 0;
  for (const path of temporariesIn(directory)) {
    try {
      if (Date.now() - lstat(path).mtimeMs >= olderThanMs && unlinkIfExists(path)) removed += 1;
    } catch (error) {
      // Its writer, or another sweep, was quicker.
      if (!isErrno(error, 'ENOENT')) throw error;
    }
  }
  return removed;
}

function temporariesIn(directory: string): string[] {
  try {
    return readDir(directory)
      .filter(({ name, type }) => type !== 'dir' && isTemporaryName(name))
      .map(({ name }) => `${directory}/${name}`);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}
