/**
 * Which network a container's port rules are of. The rules themselves carry only the container's id, as upstream's, so
 * that a GC could not tell those of another network; an empty file each, in /run like the rules: both are gone after a
 * reboot.
 */

import { readDir } from '../../../shared/sys/directory.ts';
import { isErrno } from '../../../shared/sys/errno.ts';
import { mkdirp, unlinkIfExists, writeFile } from '../../../shared/sys/file.ts';

const directory = '/run/underpod/portmap';

/** Before the rules are made. */
export function recordPorts(network: string, containerId: string): void {
  mkdirp(`${directory}/${network}`, 0o700);
  writeFile(`${directory}/${network}/${containerId}`, '', 0o600);
}

/** After they are gone; none is fine. */
export function forgetPorts(network: string, containerId: string): void {
  unlinkIfExists(`${directory}/${network}/${containerId}`);
}

/** Containers of a network that may have rules. */
export function recordedPorts(network: string): string[] {
  try {
    return readDir(`${directory}/${network}`)
      .filter(({ type }) => type === 'file')
      .map(({ name }) => name);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return [];
    throw error;
  }
}
