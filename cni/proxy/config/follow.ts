/** Follows the configuration file: an editor's replacement as well as a ConfigMap's, whose symbolic links are exchanged. */

import { dirname } from 'node:path';
import type { Clock } from '../../../shared/daemon/clock.ts';
import { DirectoryWatch } from '../../../shared/daemon/directory-watch.ts';
import { readTextIfExists } from '../../../shared/sys/file.ts';

/**
 * Calls back whenever the file's text is another one. A file that is missing, as between an editor's two steps, is no change.
 *
 * @param onChange told nothing: it reads the file itself
 */
export function followFile(path: string, clock: Clock, onChange: () => void): Disposable {
  let known = read(path);
  return new DirectoryWatch({
    clock,
    directory: dirname(path),
    onChange: () => {
      const text = read(path);
      if (text === undefined || text === known) return;
      known = text;
      onChange();
    },
  });
}

function read(path: string): string | undefined {
  try {
    return readTextIfExists(path);
  } catch {
    // A directory in its place, an I/O error: who reads it for its content tells.
    return undefined;
  }
}
