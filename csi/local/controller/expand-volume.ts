/** ControllerExpandVolume: the volume itself, in use or not. Its file system grows on the node, which here is the same one. */

import type { ControllerExpandVolumeRequest, ControllerExpandVolumeResponse } from '#messages/csi';
import type { Init } from '../../../shared/grpc/wire/schema.ts';
import { capabilityOf } from '../../driver/capability.ts';
import { invalidArgument, outOfRange } from '../../driver/status.ts';
import { type LocalParts, volumeOf } from '../parts.ts';
import { sizeFor } from '../sizes.ts';

export async function controllerExpandVolume(
  parts: LocalParts,
  { volumeId, capacityRange, volumeCapability }: ControllerExpandVolumeRequest,
  signal: AbortSignal,
): Promise<Init<ControllerExpandVolumeResponse>> {
  const { record, pool, place, backend } = volumeOf(parts, volumeId);
  if (volumeCapability && capabilityOf(volumeCapability, 'volume_capability').access.type !== record.access)
    throw invalidArgument('volume_capability', `volume ${volumeId} is a ${record.access} volume`);
  const nodeExpansionRequired = record.access === 'mount' && backend.features.ownFileSystem;
  const limit = Number(capacityRange?.limitBytes ?? 0n);
  if (limit > 0 && limit < record.size)
    throw outOfRange(`volume ${volumeId} has ${record.size} bytes, and never shrinks`);
  const size = sizeFor(capacityRange, record.size);
  const room = pool.room();
  if (size - record.size > room)
    throw outOfRange(`pool ${pool.name} has room for ${room} bytes more, not for ${size - record.size}`);
  const grows = size > record.size;
  const larger = { ...record, size };
  // The promise first: what is promised twice at once is found by the second.
  if (grows) pool.keepVolume(larger);
  try {
    // Also where the promise is that large already: whoever was killed after it has not kept it.
    await backend.expand(place, larger, { signal });
  } catch (error) {
    if (grows) pool.keepVolume(record);
    throw error;
  }
  return { capacityBytes: BigInt(size), nodeExpansionRequired };
}
