/** What is kept of claims and volumes: a node has to do with few of a cluster's. Pure. */

import { parseQuantity } from '../../../shared/kube/quantity.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '../../../shared/kube/storage-types.ts';
import type { ObjectMeta } from '../../../shared/kube/types.ts';
import { requestedBytes } from './data-source.ts';
import { provisionerOf } from './names.ts';
import { isReachable, type Segments } from './topology.ts';

/**
 * A claim for which something may have to be done: others' that have no volume yet, and those that have what they ask for, are
 * left out. Whose a claim with a volume is, the volume says: one that was taken over still names who made it first.
 */
export function keptClaim(claim: PersistentVolumeClaim, driver: string): PersistentVolumeClaim | undefined {
  const isOthers = provisionerOf(claim.metadata.annotations) !== driver;
  if (isOthers && !claim.spec?.volumeName) return undefined;
  return isSettled(claim) ? undefined : slim(claim);
}

/** True for a claim that is bound and whose size and class are what it asks for. */
export function isSettled({ metadata, spec, status }: PersistentVolumeClaim): boolean {
  if (status?.phase !== 'Bound' || metadata.deletionTimestamp) return false;
  const capacity = parseQuantity(status.capacity?.['storage'] ?? '0') ?? 0n;
  return (
    requestedBytes({ metadata, ...(spec && { spec }) }) <= capacity &&
    !status.modifyVolumeStatus &&
    (spec?.volumeAttributesClassName ?? '') === (status.currentVolumeAttributesClassName ?? '')
  );
}

/** A volume of the driver's that is reached from here. */
export function keptVolume(
  volume: PersistentVolume,
  driver: string,
  segments: Segments | undefined,
): PersistentVolume | undefined {
  const { csi, nodeAffinity } = volume.spec;
  return csi?.driver === driver && isReachable(nodeAffinity, segments) ? slim(volume) : undefined;
}

/** Without `managedFields`, which are half of an object. */
export function slim<T extends { readonly metadata: ObjectMeta }>(object: T): T {
  const { managedFields: _, ...metadata } = object.metadata as ObjectMeta & { managedFields?: unknown };
  return { ...object, metadata };
}
