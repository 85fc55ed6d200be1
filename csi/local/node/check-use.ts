/** Whether a volume can be used as a call wants to. */

import { isDeepStrictEqual } from 'node:util';
import type { Capability } from '../../driver/capability.ts';
import { invalidArgument } from '../../driver/status.ts';
import { capabilityProblem } from '../controller/access.ts';
import type { Volume } from '../parts.ts';
import type { Use } from './use-records.ts';

/** @throws RpcError INVALID_ARGUMENT */
export function checkUse(capability: Capability, { record, backend }: Volume): void {
  const problem = capabilityProblem(capability, backend);
  if (problem !== undefined) throw invalidArgument('volume_capability', problem);
  const { access } = capability;
  if (access.type !== record.access)
    throw invalidArgument('volume_capability', `volume ${record.id} is a ${record.access} volume`);
  if (
    access.type === 'mount' &&
    backend.features.ownFileSystem &&
    access.fsType !== '' &&
    access.fsType !== record.fsType
  )
    throw invalidArgument(
      'volume_capability',
      `volume ${record.id} has file system ${record.fsType}, not ${access.fsType}`,
    );
}

/** True for calls that ask for the same; whose pod it is plays no part. */
export function sameUse(one: Use, other: Use): boolean {
  const { pod: _one, ...a } = one;
  const { pod: _other, ...b } = other;
  return isDeepStrictEqual(a, b);
}
