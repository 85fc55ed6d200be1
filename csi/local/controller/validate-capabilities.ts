/** ValidateVolumeCapabilities: whether a volume that exists can be used so. */

import type { ValidateVolumeCapabilitiesRequest, ValidateVolumeCapabilitiesResponse } from '#messages/csi';
import { isRpcError } from '../../../shared/grpc/error.ts';
import type { Init } from '../../../shared/grpc/wire/schema.ts';
import { capabilitiesOf } from '../../driver/capability.ts';
import { parseIoLimits } from '../io-limits.ts';
import { parseParameters } from '../parameters.ts';
import { type LocalParts, type Volume, volumeOf } from '../parts.ts';
import { capabilityProblem } from './access.ts';

export async function validateVolumeCapabilities(
  parts: LocalParts,
  request: ValidateVolumeCapabilitiesRequest,
): Promise<Init<ValidateVolumeCapabilitiesResponse>> {
  const { volumeCapabilities, volumeContext, parameters, mutableParameters } = request;
  const problem = problemOf(volumeOf(parts, request.volumeId), request);
  // The empty answer with a message says no.
  if (problem !== undefined) return { message: problem };
  return { confirmed: { volumeCapabilities, volumeContext, parameters, mutableParameters } };
}

function problemOf(
  { record, backend }: Volume,
  request: ValidateVolumeCapabilitiesRequest,
): string | undefined {
  for (const capability of capabilitiesOf(request.volumeCapabilities, 'volume_capabilities')) {
    const problem = capabilityProblem(capability, backend);
    if (problem !== undefined) return problem;
    const { access } = capability;
    if (access.type !== record.access) return `it is a ${record.access} volume`;
    if (
      access.type === 'mount' &&
      backend.features.ownFileSystem &&
      access.fsType !== '' &&
      access.fsType !== record.fsType
    )
      return `its file system is ${record.fsType}`;
  }
  try {
    if (Object.keys(request.parameters).length > 0) {
      const { backend: name, thin } = parseParameters(request.parameters);
      if (name !== record.backend || thin !== record.thin)
        return `it is of backend ${record.backend}, ${record.thin ? 'thin' : 'thick'}`;
    }
    parseIoLimits(request.mutableParameters);
  } catch (error) {
    if (isRpcError(error, 'INVALID_ARGUMENT')) return error.details;
    throw error;
  }
  return undefined;
}
