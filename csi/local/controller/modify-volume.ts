/** ControllerModifyVolume: the limits of a VolumeAttributesClass, which hold at once for pods that run. */

import type { ControllerModifyVolumeRequest } from '#messages/csi';
import { invalidArgument } from '../../driver/status.ts';
import { mergeIoLimits, parseIoLimits } from '../io-limits.ts';
import { applyLimits } from '../node/apply-limits.ts';
import { type LocalParts, volumeOf } from '../parts.ts';

export async function controllerModifyVolume(
  parts: LocalParts,
  { volumeId, mutableParameters }: ControllerModifyVolumeRequest,
): Promise<Record<never, never>> {
  const volume = volumeOf(parts, volumeId);
  const { record, pool, backend } = volume;
  const change = parseIoLimits(mutableParameters);
  if (Object.keys(change).length > 0 && backend.name !== 'loop')
    throw invalidArgument('mutable_parameters', `a volume of backend ${backend.name} has no device to limit`);
  const limits = mergeIoLimits(record.limits, change);
  pool.keepVolume({ ...record, limits });
  applyLimits(parts, { ...volume, record: { ...record, limits } });
  return {};
}
