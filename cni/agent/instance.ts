/** An id that lives as long as the node's state directory: tells two machines with one node name apart. */

import { isErrno } from '../../shared/sys/errno.ts';
import { createExclusive, mkdirp, readTextIfExists } from '../../shared/sys/file.ts';

/** Reads the id, or makes one. @throws SyscallError when the directory cannot be written */
export function instanceId(stateDir: string): string {
  const path = `${stateDir}/agent.id`;
  const known = readTextIfExists(path)?.trim();
  if (known) return known;
  mkdirp(stateDir, 0o700);
  const id = crypto.randomUUID();
  try {
    createExclusive(path, `${id}\n`);
    return id;
  } catch (error) {
    // Another agent was faster, or an empty file is left of a power cut.
    if (!isErrno(error, 'EEXIST')) throw error;
    return readTextIfExists(path)?.trim() || id;
  }
}
