/** Inline volumes, which a pod's own manifest describes: made when they are published, gone when they are not any more. */

import type { NodePublishVolumeRequest } from '#messages/csi';
import { parseQuantity } from '../../../shared/kube/quantity.ts';
import type { Capability } from '../../driver/capability.ts';
import { invalidArgument } from '../../driver/status.ts';
import { make, planVolume } from '../controller/create-volume.ts';
import { isId } from '../ids.ts';
import type { LocalParts } from '../parts.ts';

const PREFIX = 'csi.storage.k8s.io/';

/** True where the kubelet says that the volume is the pod's own. */
export function isEphemeral(context: Readonly<Record<string, string>>): boolean {
  return context[`${PREFIX}ephemeral`] === 'true';
}

/** @throws RpcError as CreateVolume does */
export async function makeEphemeral(
  parts: LocalParts,
  { volumeId, volumeContext, volumeCapability }: NodePublishVolumeRequest,
  { access }: Capability,
  signal: AbortSignal,
): Promise<void> {
  if (access.type === 'block') throw invalidArgument('volume_capability', 'an inline volume is a directory');
  // The kubelet's are `csi-` and a hash (pkg/volume/csi, makeVolumeHandle).
  if (!isId(volumeId)) throw invalidArgument('volume_id', `"${volumeId}" is no id of an inline volume`);
  const own = Object.entries(volumeContext).filter(([key]) => !key.startsWith(PREFIX));
  const { size, ...parameters } = Object.fromEntries(own);
  const bytes = size === undefined ? undefined : parseQuantity(size);
  if (size !== undefined && (bytes === undefined || bytes <= 0n))
    throw invalidArgument('volume_context', `size must be an amount such as 1Gi, not "${size}"`);
  const plan = planVolume(parts, {
    name: volumeId,
    volumeCapabilities: volumeCapability ? [volumeCapability] : [],
    parameters,
    mutableParameters: {},
    secrets: {},
    ...(bytes !== undefined && { capacityRange: { requiredBytes: bytes, limitBytes: 0n } }),
  });
  const known = plan.pool.volumes.get(plan.record.id);
  if (known?.state === 'ready' && known.ephemeral) return;
  const pod = [volumeContext[`${PREFIX}pod.namespace`], volumeContext[`${PREFIX}pod.name`]].join('/');
  await make(parts, { ...plan, record: { ...plan.record, ephemeral: true, claim: `pod ${pod}` } }, signal);
}
