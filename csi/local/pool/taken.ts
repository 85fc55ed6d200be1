/** How much of its promise a volume has taken up. */

import { isErrno } from '../../../shared/sys/errno.ts';
import type { Backend } from '../backends/backend.ts';
import type { SnapshotRecord, VolumeRecord } from '../record.ts';

/**
 * Bytes of the pool that a volume has already, of those that it was promised; also while it is being made, so that what is
 * asked for meanwhile does not find its room counted twice. What is made by reflink has taken nothing that it could count on.
 */
export function takenBy(
  place: string,
  record: VolumeRecord | SnapshotRecord,
  backend: Pick<Backend, 'taken' | 'features'>,
): number {
  if (backend.features.ownFileSystem && ('source' in record || record.origin)) return 0;
  try {
    return Math.min(record.size, backend.taken(place, record));
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return 0;
    throw error;
  }
}
