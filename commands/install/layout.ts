/** Where an installation puts things, as the node sees it (a `--root` prefix comes in front only on disk). */

export interface Layout {
  /** The executable, e.g. /usr/local/bin/underpod. */
  readonly binary: string;
  readonly cniBinDir: string;
  readonly cniConfDir: string;
}

export const STATE_DIR = '/var/lib/underpod';

/** What is installed where, and what was set aside for it. */
export const RECORD_PATH: string = `${STATE_DIR}/install.json`;

/**
 * Our network configuration. Container runtimes take the first file of the directory in byte order, so those before
 * this name win over it and those after do not matter.
 */
export const CONFLIST_NAME = '10-underpod.conflist';

/** What runtimes read in the configuration directory (libcni looks at these endings only). */
const READ_BY_RUNTIMES = /\.(conf|conflist|json)$/;

export function conflistPath(layout: Layout): string {
  return `${layout.cniConfDir}/${CONFLIST_NAME}`;
}

export function linkPath(layout: Layout, type: string): string {
  return `${layout.cniBinDir}/${type}`;
}

/** True for a file of the configuration directory that runtimes would take instead of ours. */
export function winsOverOurs(name: string): boolean {
  return READ_BY_RUNTIMES.test(name) && name < CONFLIST_NAME;
}

/**
 * The name under which a file is set aside, in its own directory, so that a rename is enough: no runtime reads this
 * ending as a configuration, nobody calls a plugin by it.
 *
 * @param n 1 for the first file set aside from this place, 2 for the next
 */
export function savedName(path: string, n: number): string {
  return `${path}.underpod-saved${n === 1 ? '' : `-${n}`}`;
}

/** The name under which the next content of `path` is prepared. One only, so that a later run removes a dead one's. */
export function preparedName(path: string): string {
  const slash = path.lastIndexOf('/') + 1;
  return `${path.slice(0, slash)}.${path.slice(slash)}.underpod-new`;
}
