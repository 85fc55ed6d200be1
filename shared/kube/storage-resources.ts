/** Where the API server keeps the objects that are about storage. Pure. */

import type { Resource } from './resource.ts';
import type {
  VolumeGroupSnapshotContent,
  VolumeSnapshot,
  VolumeSnapshotClass,
  VolumeSnapshotContent,
} from './snapshot-types.ts';
import type {
  CoreEvent,
  CsiStorageCapacity,
  PersistentVolume,
  PersistentVolumeClaim,
  Secret,
  StorageClass,
  VolumeAttributesClass,
} from './storage-types.ts';

const STORAGE = 'storage.k8s.io';
const SNAPSHOTS = 'snapshot.storage.k8s.io';
const GROUPS = 'groupsnapshot.storage.k8s.io';

export const CLAIMS: Resource<PersistentVolumeClaim> = core('persistentvolumeclaims');
export const VOLUMES: Resource<PersistentVolume> = core('persistentvolumes');
export const SECRETS: Resource<Secret> = core('secrets');
export const EVENTS: Resource<CoreEvent> = core('events');
export const STORAGE_CLASSES: Resource<StorageClass> = of(STORAGE, 'v1', 'storageclasses');
/** v1 since Kubernetes 1.34. */
export const ATTRIBUTES_CLASSES: Resource<VolumeAttributesClass> = of(
  STORAGE,
  'v1',
  'volumeattributesclasses',
);
export const CAPACITIES: Resource<CsiStorageCapacity> = of(STORAGE, 'v1', 'csistoragecapacities');
export const SNAPSHOTS_ASKED: Resource<VolumeSnapshot> = of(SNAPSHOTS, 'v1', 'volumesnapshots');
export const SNAPSHOT_CONTENTS: Resource<VolumeSnapshotContent> = of(
  SNAPSHOTS,
  'v1',
  'volumesnapshotcontents',
);
export const SNAPSHOT_CLASSES: Resource<VolumeSnapshotClass> = of(SNAPSHOTS, 'v1', 'volumesnapshotclasses');

/** Versions of group snapshots that are understood, the best first: a cluster serves one, some, or none. */
export const GROUP_VERSIONS = ['v1', 'v1beta2', 'v1beta1'] as const;
export type GroupVersion = (typeof GROUP_VERSIONS)[number];

export function groupContents(version: GroupVersion): Resource<VolumeGroupSnapshotContent> {
  return of(GROUPS, version, 'volumegroupsnapshotcontents');
}

export function groupClasses(version: GroupVersion): Resource<VolumeSnapshotClass> {
  return of(GROUPS, version, 'volumegroupsnapshotclasses');
}

function core<T extends Resource['object'] & object>(plural: string): Resource<T> {
  return of('', 'v1', plural);
}

function of<T extends Resource['object'] & object>(
  group: string,
  version: string,
  plural: string,
): Resource<T> {
  return { group, version, plural };
}
