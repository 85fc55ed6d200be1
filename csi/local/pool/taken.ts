/** How much of its promise a volume has taken up. */

import { isErrno } from '../../../shared/sys/errno.ts';
import { stat } from '../../../shared/sys/stat.ts';
import type { SnapshotRecord, VolumeRecord } from '../record.ts';

/**
 * Bytes of the file system that are a volume's own, as far as that can be told by one look: those of an image. Volumes without
 * one count as if all they were promised was taken, since what they hold is part of what is used of the file system already.
 * What is made by reflink has taken nothing that it could count on.
 */
export function takenBy(place: string, record: VolumeRecord | SnapshotRecord): number {
  if (record.state === 'making') return 0;
  if (record.backend !== 'loop') return record.size;
  if ('source' in record || record.origin) return 0;
  try {
    return Math.min(record.size, stat(`${place}/disk.img`).allocated);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return 0;
    throw error;
  }
}
