/** DeleteVolume: the data first, the record last, so that whatever is cut off can go on. */

import type { DeleteVolumeRequest } from '#messages/csi';
import { failedPrecondition } from '../../driver/status.ts';
import { findVolume, type LocalParts, type Volume } from '../parts.ts';

export async function deleteVolume(
  parts: LocalParts,
  { volumeId }: DeleteVolumeRequest,
  signal: AbortSignal,
): Promise<Record<never, never>> {
  const volume = findVolume(parts, volumeId);
  // Of a volume that nobody knows everything is gone.
  if (!volume) return {};
  if (parts.uses.isUsed(volumeId))
    throw failedPrecondition(
      `volume ${volumeId} is still in use at ${parts.uses.places(volumeId).join(', ')}`,
    );
  await removeVolume(parts, volume, signal);
  return {};
}

/** Removes one that is not in use. */
export async function removeVolume(parts: LocalParts, volume: Volume, signal: AbortSignal): Promise<void> {
  const { record, pool, place, backend } = volume;
  await parts.jobs.cancel(`volume ${record.id}`);
  if (record.state !== 'removing') pool.keepVolume({ ...record, state: 'removing' });
  await backend.detach(place);
  await backend.remove(place, { signal });
  pool.forgetVolume(record.id);
}
