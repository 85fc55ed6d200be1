/** Copies an image: by reflink, or its data piece by piece. */

import { errnoNumber, isErrno, SyscallError } from '../../../shared/sys/errno.ts';
import type { Work } from './backend.ts';
import { DataCopy, type End } from './copy-data.ts';
import { reflinkStill, whileStill } from './still.ts';

/**
 * Makes the empty `target` a copy of `source` as it is at one moment.
 *
 * @param mounted where the file system in the source is mounted for writing; undefined: nobody writes to it
 * @throws SyscallError EBUSY where it is in use, the pool's file system has no reflinks, and more is being written to it than can
 * be copied while its writers wait (2 s); ENOSPC
 */
export async function copyImage(
  source: End,
  target: End,
  mounted: string | undefined,
  { signal, progress }: Work,
): Promise<void> {
  if (await reflinkStill(source.fd, target.fd, mounted)) return;
  const copy = new DataCopy(source, target, signal, progress);
  await copy.pass();
  if (mounted === undefined) return;
  // What was written meanwhile is copied again, while nobody writes: all of it is of one moment then.
  try {
    await whileStill(mounted, () => copy.pass());
  } catch (error) {
    if (!isErrno(error, 'EBUSY')) throw error;
    const why = `${source.path} (in use, and too large to be copied in a moment: stop its pod, or use a pool with reflinks)`;
    throw new SyscallError('copy', errnoNumber('EBUSY'), why, { cause: error });
  }
}
