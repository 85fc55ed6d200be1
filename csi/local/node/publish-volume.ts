/** NodePublishVolume and NodeUnpublishVolume: a volume at a pod's own path. */

import type { NodePublishVolumeRequest, NodeUnpublishVolumeRequest } from '#messages/csi';
import { type Capability, capabilityOf, isReadOnlyMode } from '../../driver/capability.ts';
import { alreadyExists, failedPrecondition } from '../../driver/status.ts';
import { removeVolume } from '../controller/delete-volume.ts';
import { splitFlags } from '../mount-flags.ts';
import { findVolume, type LocalParts, type Volume, volumeOf } from '../parts.ts';
import { applyLimits } from './apply-limits.ts';
import { checkUse, sameUse } from './check-use.ts';
import { isEphemeral, makeEphemeral } from './ephemeral.ts';
import { bind, isMountPoint, makeDirectory, makeFile, takeAway } from './mounts.ts';
import type { Use } from './use-records.ts';
import { requireVolumeMount } from './volume-mount.ts';

/** What the kubelet adds to volume_context for drivers with podInfoOnMount. */
const POD_UID = 'csi.storage.k8s.io/pod.uid';

export async function nodePublishVolume(
  parts: LocalParts,
  request: NodePublishVolumeRequest,
  signal: AbortSignal,
): Promise<Record<never, never>> {
  const { volumeId, volumeContext, targetPath: path } = request;
  const capability = capabilityOf(request.volumeCapability, 'volume_capability');
  if (isEphemeral(volumeContext)) await makeEphemeral(parts, request, capability, signal);
  const volume = volumeOf(parts, volumeId);
  checkUse(capability, volume);
  const use = useOf(request, capability);
  const before = parts.uses.of(volumeId);
  const same = before.published.find((each) => each.path === path);
  if (same && !sameUse(same, use) && isMountPoint(path))
    throw alreadyExists(`volume ${volumeId} at ${path}`, 'it was published otherwise');
  const others = before.published.filter((each) => each.path !== path);
  const lonely = [use, ...others].some(({ mode }) => mode === 'SINGLE_NODE_SINGLE_WRITER');
  if (others.length > 0 && lonely)
    throw failedPrecondition(
      `volume ${volumeId} is for one pod, and is published at ${others[0]?.path ?? ''}`,
    );
  // Known before it is done: what a kill leaves is found.
  parts.uses.publish(volumeId, use);
  const isTaken = isMountPoint(path);
  try {
    await mountFor(parts, volume, use, request, signal);
  } catch (error) {
    // As for a stage.
    if (!same && (isTaken || !isMountPoint(path))) {
      parts.uses.unpublish(volumeId, path);
      if (volume.record.ephemeral && !parts.uses.isUsed(volumeId)) await removeVolume(parts, volume, signal);
    }
    throw error;
  }
  applyLimits(parts, volume);
  return {};
}

async function mountFor(
  parts: LocalParts,
  volume: Volume,
  use: Use,
  { volumeId, stagingTargetPath: stage }: NodePublishVolumeRequest,
  signal: AbortSignal,
): Promise<void> {
  const { record, place, backend } = volume;
  if (record.access === 'block') {
    const device = backend.device(place);
    if (device === undefined) throw failedPrecondition(`volume ${volumeId} is not staged`);
    makeFile(use.path);
    bind(device, use.path, use.readOnly, use.flags);
    return;
  }
  if (record.ephemeral) {
    makeDirectory(use.path);
    await backend.mount(place, record, use.path, use, { signal });
    return;
  }
  const staged = parts.uses.of(volumeId).staged?.path ?? stage;
  if (staged === '' || !isMountPoint(staged)) throw failedPrecondition(`volume ${volumeId} is not staged`);
  makeDirectory(use.path);
  bind(staged, use.path, use.readOnly, use.flags);
}

export async function nodeUnpublishVolume(
  parts: LocalParts,
  { volumeId, targetPath: path }: NodeUnpublishVolumeRequest,
  signal: AbortSignal,
): Promise<Record<never, never>> {
  if (parts.uses.isOthers(volumeId, path)) return {};
  requireVolumeMount(parts, volumeId, path);
  // A pod's mount goes whoever still looks at it: the data stays mounted at the stage.
  takeAway(path, true);
  parts.uses.unpublish(volumeId, path);
  const volume = findVolume(parts, volumeId);
  if (volume?.record.ephemeral && !parts.uses.isUsed(volumeId)) await removeVolume(parts, volume, signal);
  return {};
}

function useOf(
  { targetPath, readonly, volumeContext }: NodePublishVolumeRequest,
  { mode, access }: Capability,
): Use {
  const pod = volumeContext[POD_UID];
  return {
    path: targetPath,
    readOnly: readonly || isReadOnlyMode(mode),
    mode,
    flags: access.type === 'mount' ? splitFlags(access.mountFlags) : [],
    ...(pod !== undefined && { pod }),
  };
}
