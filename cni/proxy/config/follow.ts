/** Follows the configuration file: an editor's replacement as well as a ConfigMap's, whose symbolic links are exchanged. */

import { dirname } from 'node:path';
import type { Clock } from '../../../shared/daemon/clock.ts';
import { DirectoryWatch } from '../../../shared/daemon/directory-watch.ts';
import { readTextIfExists } from '../../../shared/sys/file.ts';

/**
 * Calls back whenever the file's text is another one. A file that is missing, as between an editor's two steps, is no change.
 *
 * @param known what has been read of it: a change since then counts
 * @param onChange told nothing: it reads the file itself
 */
export function followFile(path: string, known: string, clock: Clock, onChange: () => void): Disposable {
  let last = known;
  const look = (): void => {
    const text = read(path);
    if (text === undefined || text === last) return;
    last = text;
    onChange();
  };
  const watch = new DirectoryWatch({ clock, directory: dirname(path), onChange: look });
  look();
  return watch;
}

function read(path: string): string | undefined {
  try {
    return readTextIfExists(path);
  } catch {
    // A directory in its place, an I/O error: who reads it for its content tells.
    return undefined;
  }
}
