/** GetCapacity: how much room a volume of such a kind would have here. */

import type { GetCapacityRequest, GetCapacityResponse } from '#messages/csi';
import { isRpcError } from '../../../shared/grpc/error.ts';
import type { Init } from '../../../shared/grpc/wire/schema.ts';
import { parseParameters } from '../parameters.ts';
import { backendOf, type LocalParts } from '../parts.ts';
import { GRAIN } from '../sizes.ts';
import { accessFor } from './access.ts';
import { poolOf } from './create-volume.ts';
import { matches } from './topology.ts';

const NONE: Init<GetCapacityResponse> = { availableCapacity: 0n, maximumVolumeSize: { value: 0n } };

export async function getCapacity(
  parts: LocalParts,
  { parameters: map, volumeCapabilities, accessibleTopology }: GetCapacityRequest,
): Promise<Init<GetCapacityResponse>> {
  const parameters = parseParameters(map);
  const pool = poolOf(parts, parameters.pool);
  if (accessibleTopology && !matches(accessibleTopology, parts.node)) return NONE;
  const backend = backendOf(parts, parameters.backend);
  if ((await backend.check(pool.directory)) !== undefined) return NONE;
  let minimum = GRAIN;
  if (volumeCapabilities.length > 0) {
    try {
      minimum = backend.features.minimum(
        accessFor(volumeCapabilities, backend, undefined, parameters.fsType),
      );
    } catch (error) {
      // There is no room for what is impossible.
      if (isRpcError(error, 'INVALID_ARGUMENT')) return NONE;
      throw error;
    }
  }
  const room = Math.floor(pool.room() / GRAIN) * GRAIN;
  const available = BigInt(room < minimum ? 0 : room);
  return {
    availableCapacity: available,
    maximumVolumeSize: { value: available },
    minimumVolumeSize: { value: BigInt(minimum) },
  };
}
