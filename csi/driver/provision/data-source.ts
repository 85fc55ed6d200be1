/** What a claim's volume is to be filled from, and whether that can be. Pure. */

import { parseQuantity } from '../../../shared/kube/quantity.ts';
import type { VolumeSnapshot, VolumeSnapshotContent } from '../../../shared/kube/snapshot-types.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '../../../shared/kube/storage-types.ts';
import { ANNOTATION, FINALIZER, SNAPSHOT_GROUP } from './names.ts';

export type Source =
  | { readonly kind: 'none' }
  | { readonly kind: 'claim' | 'snapshot'; readonly name: string }
  /** Somebody else fills it. */
  | { readonly kind: 'populator'; readonly of: string };

/** A source that cannot be used, yet or at all; for people. */
export class SourceError extends Error {
  override readonly name = 'SourceError';
}

/** @throws SourceError for one in another namespace, which takes a feature gate and grants */
export function sourceOf({ metadata, spec }: PersistentVolumeClaim): Source {
  const { dataSource, dataSourceRef } = spec ?? {};
  const source = dataSource ?? dataSourceRef;
  if (!source) return { kind: 'none' };
  if (!dataSource && dataSourceRef?.namespace && dataSourceRef.namespace !== metadata.namespace)
    throw new SourceError('a data source in another namespace is not supported');
  const { kind, name, apiGroup = '' } = source;
  if (kind === 'VolumeSnapshot') {
    if (apiGroup === SNAPSHOT_GROUP) return { kind: 'snapshot', name };
    throw new SourceError(
      `the PVC source does not belong to the right APIGroup. Expected ${SNAPSHOT_GROUP}, Got ${apiGroup}`,
    );
  }
  if (kind === 'PersistentVolumeClaim' && apiGroup === '') return { kind: 'claim', name };
  return { kind: 'populator', of: kind };
}

/** Bytes that a claim asks for. */
export function requestedBytes(claim: PersistentVolumeClaim): bigint {
  return parseQuantity(claim.spec?.resources?.requests?.['storage'] ?? '0') ?? 0n;
}

/** @returns the handle of the volume to clone @throws SourceError */
export function cloneHandle(
  claim: PersistentVolumeClaim,
  source: PersistentVolumeClaim,
  volume: PersistentVolume | undefined,
  driver: string,
): string {
  const { name, uid, namespace, deletionTimestamp } = source.metadata;
  if (source.status?.phase !== 'Bound')
    throw new SourceError(
      `the PVC DataSource ${name} must have a status of Bound.  Got ${source.status?.phase}`,
    );
  if (deletionTimestamp) throw new SourceError(`the PVC DataSource ${name} is currently being deleted`);
  if (requestedBytes(claim) < requestedBytes(source))
    throw new SourceError(
      'error, new PVC request must be greater than or equal in size to the specified PVC data source, ' +
        `requested ${requestedBytes(claim)} but source is ${requestedBytes(source)}`,
    );
  const { csi, claimRef, volumeMode } = volume?.spec ?? {};
  const isItsVolume =
    claimRef?.uid === uid && claimRef?.namespace === namespace && volume?.status?.phase === 'Bound';
  if (!csi || csi.driver !== driver || !isItsVolume)
    throw new SourceError('claim in dataSource not bound or invalid');
  if (modeOf(volumeMode) !== modeOf(claim.spec?.volumeMode))
    throw new SourceError(
      'the source PVC and destination PVCs must have the same volume mode for cloning.  ' +
        `Source is ${modeOf(volumeMode)}, but new PVC requested ${modeOf(claim.spec?.volumeMode)}`,
    );
  return csi.volumeHandle;
}

/** @returns the handle of the snapshot to restore @throws SourceError */
export function restoreHandle(
  claim: PersistentVolumeClaim,
  snapshot: VolumeSnapshot,
  content: VolumeSnapshotContent | undefined,
  driver: string,
): string {
  const { name, uid, namespace, deletionTimestamp, finalizers = [] } = snapshot.metadata;
  // What had begun when it was deleted may end.
  if (deletionTimestamp && !finalizers.includes(FINALIZER.snapshotSource))
    throw new SourceError(`snapshot ${name} is being deleted`);
  const { boundVolumeSnapshotContentName: bound, readyToUse, restoreSize } = snapshot.status ?? {};
  if (!bound) throw new SourceError(`snapshot ${name} not bound`);
  if (!content) throw new SourceError(`error getting snapshotcontent ${bound} for snapshot ${name}`);
  const { volumeSnapshotRef: ref, sourceVolumeMode, driver: owner } = content.spec;
  if (ref.uid !== uid || ref.namespace !== namespace || ref.name !== name)
    throw new SourceError(`snapshotcontent ${bound} for snapshot ${name} is bound to a different snapshot`);
  if (owner !== driver)
    throw new SourceError(
      `snapshotcontent ${bound} for snapshot ${name} is not handled by CSI driver ${driver}`,
    );
  if (!readyToUse) throw new SourceError(`snapshot ${name} is not Ready`);
  const handle = content.status?.snapshotHandle;
  if (!handle) throw new SourceError(`snapshot handle ${name} is not available`);
  const least = restoreSize === undefined ? undefined : parseQuantity(restoreSize);
  if (least !== undefined && requestedBytes(claim) < least)
    throw new SourceError(
      `requested volume size ${requestedBytes(claim)} is less than the size ${least} for the source snapshot ${name}`,
    );
  const mayChange = content.metadata.annotations?.[ANNOTATION.allowVolumeModeChange];
  const wanted = claim.spec?.volumeMode;
  // Raw bytes that a user wrote could harm the kernel that mounts them.
  if (sourceVolumeMode && wanted && sourceVolumeMode !== wanted && !/^(1|t|true)$/i.test(mayChange ?? ''))
    throw new SourceError(
      `requested volume ${claim.metadata.namespace}/${claim.metadata.name} modifies the mode of the source volume but ` +
        `does not have permission to do so. ${ANNOTATION.allowVolumeModeChange} annotation is not present on snapshotcontent ${bound}`,
    );
  return handle;
}

function modeOf(mode = 'Filesystem'): string {
  return mode;
}
