/** An id that lives as long as the node's state directory: tells two machines with one node name apart. */

import { isErrno } from '../../shared/sys/errno.ts';
import { createExclusive, mkdirp, readTextIfExists, writeFileAtomic } from '../../shared/sys/file.ts';

/** One word. A file that a power cut left empty, or full of zeros, is none. */
const ID = /^[\w.:-]{8,128}$/;

/** Reads the id, or makes one that is on disk when this returns. @throws SyscallError when that cannot be done */
export function instanceId(stateDir: string): string {
  const path = `${stateDir}/agent.id`;
  const known = readId(path);
  if (known !== undefined) return known;
  mkdirp(stateDir, 0o700);
  const id = crypto.randomUUID();
  try {
    createExclusive(path, `${id}\n`);
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error;
    // Another agent was faster, or what is there is no id.
    const other = readId(path);
    if (other !== undefined) return other;
  }
  // Over itself: this one is synced, else the node would be a stranger to its own lease after a power cut.
  writeFileAtomic(path, `${id}\n`, { mode: 0o600 });
  return id;
}

function readId(path: string): string | undefined {
  const text = readTextIfExists(path)?.trim();
  return text !== undefined && ID.test(text) ? text : undefined;
}
