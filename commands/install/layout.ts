/** Where an installation puts things, as the node sees it (a `--root` prefix comes in front only on disk). */

import { conflistName } from '../../cni/plugins/underpod/conflist.ts';

export interface Layout {
  /** The executable, e.g. /usr/local/bin/underpod. */
  readonly binary: string;
  readonly cniBinDir: string;
  readonly cniConfDir: string;
}

export const STATE_DIR = '/var/lib/underpod';

/** What is installed where, and what was set aside for it. */
export const RECORD_PATH: string = `${STATE_DIR}/install.json`;

/** What runtimes read in the configuration directory (libcni looks at these endings only). */
const READ_BY_RUNTIMES = /\.(conf|conflist|json)$/;

export function conflistPath(layout: Layout): string {
  return `${layout.cniConfDir}/${conflistName}`;
}

export function linkPath(layout: Layout, type: string): string {
  return `${layout.cniBinDir}/${type}`;
}

/** True for a file that runtimes would take instead of ours: they take the first of the directory in byte order. */
export function winsOverOurs(name: string): boolean {
  return READ_BY_RUNTIMES.test(name) && name < conflistName;
}

/**
 * The name under which a file is set aside, in its own directory, so that a rename is enough: no runtime reads this
 * ending as a configuration, nobody calls a plugin by it.
 *
 * @param n 1 for the first file set aside from this place, 2 for the next
 */
function savedName(path: string, n: number): string {
  return `${path}.underpod-saved${n === 1 ? '' : `-${n}`}`;
}

/** A free name to set `path` aside under. */
export function freeSavedName(path: string, taken: (name: string) => boolean): string {
  let n = 1;
  while (taken(savedName(path, n))) n++;
  return savedName(path, n);
}

/** The directory that a file of an absolute path is in: `/` for one at the top. */
export function parentDirectory(path: string): string {
  return path.slice(0, Math.max(1, path.lastIndexOf('/')));
}

/** The name under which the next content of `path` is prepared. One only, so that a later run removes a dead one's. */
export function preparedName(path: string): string {
  const slash = path.lastIndexOf('/') + 1;
  return `${path.slice(0, slash)}.${path.slice(slash)}.underpod-new`;
}
