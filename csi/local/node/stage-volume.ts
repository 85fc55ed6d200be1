/** NodeStageVolume and NodeUnstageVolume: a volume's file system mounted once on this node, or its device attached. */

import type { NodeStageVolumeRequest, NodeUnstageVolumeRequest } from '#messages/csi';
import { capabilityOf, isReadOnlyMode } from '../../driver/capability.ts';
import { alreadyExists, failedPrecondition } from '../../driver/status.ts';
import { beforeUnmount } from '../backends/before-unmount.ts';
import { splitFlags } from '../mount-flags.ts';
import { findVolume, type LocalParts, volumeOf } from '../parts.ts';
import { checkUse, sameUse } from './check-use.ts';
import { isMountPoint, makeDirectory, unmountPatiently } from './mounts.ts';
import type { Use } from './use-records.ts';
import { requireVolumeMount } from './volume-mount.ts';

export async function nodeStageVolume(
  parts: LocalParts,
  { volumeId, stagingTargetPath: path, volumeCapability }: NodeStageVolumeRequest,
  signal: AbortSignal,
): Promise<Record<never, never>> {
  const volume = volumeOf(parts, volumeId);
  const capability = capabilityOf(volumeCapability, 'volume_capability');
  checkUse(capability, volume);
  const { record, place, backend } = volume;
  const { mode, access } = capability;
  const flags = access.type === 'mount' ? splitFlags(access.mountFlags) : [];
  const use: Use = { path, readOnly: isReadOnlyMode(mode), mode, flags };
  const { staged } = parts.uses.of(volumeId);
  if (staged && staged.path !== path)
    throw failedPrecondition(`volume ${volumeId} is staged at ${staged.path}`);
  if (staged && !sameUse(staged, use) && isMountPoint(path))
    throw alreadyExists(`the stage of volume ${volumeId}`, 'it was asked for otherwise');
  // Known before it is done: what a kill leaves is found.
  parts.uses.stage(volumeId, use);
  const isTaken = isMountPoint(path);
  try {
    if (access.type === 'block') {
      await backend.attach(place, record);
      return {};
    }
    makeDirectory(path);
    await backend.mount(place, record, path, { readOnly: use.readOnly, flags }, { signal });
    return {};
  } catch (error) {
    // The kubelet does not ask for the end of what was refused, and the volume could never be deleted.
    if (!staged && (isTaken || !isMountPoint(path))) parts.uses.unstage(volumeId);
    throw error;
  }
}

export async function nodeUnstageVolume(
  parts: LocalParts,
  { volumeId, stagingTargetPath: path }: NodeUnstageVolumeRequest,
): Promise<Record<never, never>> {
  const { staged, published } = parts.uses.of(volumeId);
  if (published.length > 0)
    throw failedPrecondition(
      `volume ${volumeId} is still published at ${published.map((use) => use.path).join(', ')}`,
    );
  // It is not there, or somebody else is.
  if (staged ? staged.path !== path : parts.uses.isOthers(volumeId, path)) return {};
  requireVolumeMount(parts, volumeId, path);
  const volume = findVolume(parts, volumeId);
  // What is on the pool's own file system is not written out when it is unmounted.
  if (volume?.backend.features.ownFileSystem && isMountPoint(path)) await beforeUnmount(path);
  // The directory is the kubelet's.
  await unmountPatiently(path);
  if (volume) await volume.backend.detach(volume.place);
  parts.uses.unstage(volumeId);
  return {};
}
