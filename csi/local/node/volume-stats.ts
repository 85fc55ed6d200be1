/** NodeGetVolumeStats and NodeExpandVolume: a volume where it is mounted. */

import {
  type NodeExpandVolumeRequest,
  type NodeExpandVolumeResponse,
  type NodeGetVolumeStatsRequest,
  type NodeGetVolumeStatsResponse,
  VolumeUsageUnit,
} from '#messages/csi';
import type { Init } from '../../../shared/grpc/wire/schema.ts';
import { notFound, outOfRange } from '../../driver/status.ts';
import { conditionOf } from '../controller/list.ts';
import { type LocalParts, volumeOf } from '../parts.ts';
import { isWithin } from '../sizes.ts';

export async function nodeGetVolumeStats(
  parts: LocalParts,
  { volumeId, volumePath }: NodeGetVolumeStatsRequest,
): Promise<Init<NodeGetVolumeStatsResponse>> {
  const { record, place, backend } = volumeOf(parts, volumeId);
  if (!parts.uses.places(volumeId).includes(volumePath))
    throw notFound(`volume ${volumeId} at ${volumePath}`);
  const volumeCondition = conditionOf(await backend.condition(place, record), backend);
  if (record.access === 'block')
    return { usage: [{ unit: VolumeUsageUnit.BYTES, total: BigInt(record.size) }], volumeCondition };
  const usage = await backend.usage(place, record, volumePath);
  return {
    usage: [
      {
        unit: VolumeUsageUnit.BYTES,
        total: BigInt(usage.totalBytes),
        used: BigInt(usage.usedBytes),
        available: BigInt(usage.availableBytes),
      },
      {
        unit: VolumeUsageUnit.INODES,
        total: BigInt(usage.totalInodes),
        used: BigInt(usage.usedInodes),
        available: BigInt(usage.availableInodes),
      },
    ],
    volumeCondition,
  };
}

export async function nodeExpandVolume(
  parts: LocalParts,
  { volumeId, volumePath, capacityRange }: NodeExpandVolumeRequest,
  signal: AbortSignal,
): Promise<Init<NodeExpandVolumeResponse>> {
  const { record, place, backend } = volumeOf(parts, volumeId);
  const places = parts.uses.places(volumeId);
  if (!places.includes(volumePath)) throw notFound(`volume ${volumeId} at ${volumePath}`);
  if (!isWithin(record.size, capacityRange))
    throw outOfRange(`volume ${volumeId} has ${record.size} bytes: its size is the controller's to change`);
  const mounted = parts.uses.of(volumeId).staged?.path ?? volumePath;
  if (record.access === 'mount') await backend.growMounted(place, record, mounted, { signal });
  return { capacityBytes: BigInt(record.size) };
}
