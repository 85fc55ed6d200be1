/** Objects of the snapshot controller's own kinds, which a cluster may lack, as far as they are in use. Pure. */

import type { ObjectReference } from './storage-types.ts';
import type { ApiObject } from './types.ts';

/** snapshot.storage.k8s.io/v1 VolumeSnapshot: what a user asks for. */
export interface VolumeSnapshot extends ApiObject {
  readonly status?: {
    readonly boundVolumeSnapshotContentName?: string;
    readonly readyToUse?: boolean;
    /** A quantity. */
    readonly restoreSize?: string;
  };
}

/** snapshot.storage.k8s.io/v1 VolumeSnapshotContent: one snapshot of the storage. */
export interface VolumeSnapshotContent extends ApiObject {
  readonly spec: {
    readonly driver: string;
    /** `Delete` or `Retain`. */
    readonly deletionPolicy: string;
    readonly volumeSnapshotClassName?: string;
    readonly volumeSnapshotRef: ObjectReference;
    readonly sourceVolumeMode?: string;
    /** One of both: of a volume to take a snapshot of, or of a snapshot that is there already. */
    readonly source: { readonly volumeHandle?: string; readonly snapshotHandle?: string };
  };
  readonly status?: ContentStatus;
}

export interface ContentStatus {
  readonly snapshotHandle?: string;
  readonly readyToUse?: boolean;
  /** Nanoseconds since 1970: above what a JavaScript number holds exactly, by less than a microsecond. */
  readonly creationTime?: number;
  /** Bytes. */
  readonly restoreSize?: number;
  readonly error?: SnapshotError;
  readonly volumeGroupSnapshotHandle?: string;
}

export interface SnapshotError {
  /** RFC 3339. */
  readonly time?: string;
  readonly message?: string;
}

/** snapshot.storage.k8s.io/v1 VolumeSnapshotClass; VolumeGroupSnapshotClass is the same. */
export interface VolumeSnapshotClass extends ApiObject {
  readonly driver: string;
  readonly deletionPolicy: string;
  readonly parameters?: Readonly<Record<string, string>>;
}

/** groupsnapshot.storage.k8s.io VolumeGroupSnapshotContent. */
export interface VolumeGroupSnapshotContent extends ApiObject {
  readonly spec: {
    readonly driver: string;
    readonly deletionPolicy: string;
    readonly volumeGroupSnapshotClassName?: string;
    readonly volumeGroupSnapshotRef: ObjectReference;
    readonly source: {
      readonly volumeHandles?: readonly string[];
      readonly groupSnapshotHandles?: {
        readonly volumeGroupSnapshotHandle: string;
        readonly volumeSnapshotHandles: readonly string[];
      };
    };
  };
  readonly status?: GroupContentStatus;
}

export interface GroupContentStatus {
  readonly volumeGroupSnapshotHandle?: string;
  /** RFC 3339. */
  readonly creationTime?: string;
  readonly readyToUse?: boolean;
  readonly error?: SnapshotError;
  /** Of v1beta1. */
  readonly volumeSnapshotHandlePairList?: readonly {
    readonly volumeHandle: string;
    readonly snapshotHandle: string;
  }[];
  /** Of v1beta2 and later. */
  readonly volumeSnapshotInfoList?: readonly {
    readonly volumeHandle?: string;
    readonly snapshotHandle?: string;
    readonly creationTime?: number;
    readonly readyToUse?: boolean;
    readonly restoreSize?: number;
  }[];
}
