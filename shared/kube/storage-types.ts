/** Kubernetes' own objects about storage, as far as anything here reads or writes them; what else they hold is kept. Pure. */

import type { ApiObject } from './types.ts';

/** Amounts by resource: `{ storage: '1Gi' }`. */
export type Quantities = Readonly<Record<string, string>>;

/** core/v1 PersistentVolumeClaim. */
export interface PersistentVolumeClaim extends ApiObject {
  readonly spec?: {
    readonly accessModes?: readonly string[];
    readonly resources?: { readonly requests?: Quantities };
    readonly storageClassName?: string;
    /** Of the volume that it is bound to. */
    readonly volumeName?: string;
    readonly volumeMode?: string;
    readonly selector?: object;
    readonly dataSource?: DataSource;
    readonly dataSourceRef?: DataSource & { readonly namespace?: string };
    readonly volumeAttributesClassName?: string;
  };
  readonly status?: {
    readonly phase?: string;
    readonly accessModes?: readonly string[];
    readonly capacity?: Quantities;
    readonly conditions?: readonly ClaimCondition[];
    readonly allocatedResources?: Quantities;
    readonly allocatedResourceStatuses?: Readonly<Record<string, string>>;
    readonly currentVolumeAttributesClassName?: string;
    readonly modifyVolumeStatus?: {
      readonly targetVolumeAttributesClassName?: string;
      readonly status: string;
    };
  };
}

/** What a claim's volume is to be filled from. */
export interface DataSource {
  readonly apiGroup?: string;
  readonly kind: string;
  readonly name: string;
}

export interface ClaimCondition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
  /** RFC 3339. */
  readonly lastProbeTime?: string;
  readonly lastTransitionTime?: string;
}

/** core/v1 PersistentVolume. */
export interface PersistentVolume extends ApiObject {
  readonly spec: {
    readonly capacity?: Quantities;
    readonly accessModes?: readonly string[];
    readonly mountOptions?: readonly string[];
    readonly volumeMode?: string;
    readonly storageClassName?: string;
    readonly volumeAttributesClassName?: string;
    readonly persistentVolumeReclaimPolicy?: string;
    readonly claimRef?: ObjectReference;
    readonly nodeAffinity?: { readonly required?: NodeSelector };
    readonly csi?: CsiSource;
  };
  readonly status?: { readonly phase?: string };
}

/** core/v1 CSIPersistentVolumeSource. */
export interface CsiSource {
  readonly driver: string;
  readonly volumeHandle: string;
  readonly readOnly?: boolean;
  readonly fsType?: string;
  readonly volumeAttributes?: Readonly<Record<string, string>>;
  readonly controllerPublishSecretRef?: SecretReference;
  readonly nodeStageSecretRef?: SecretReference;
  readonly nodePublishSecretRef?: SecretReference;
  readonly controllerExpandSecretRef?: SecretReference;
  readonly nodeExpandSecretRef?: SecretReference;
}

export interface SecretReference {
  readonly name: string;
  readonly namespace: string;
}

/** core/v1 Secret. */
export interface Secret extends ApiObject {
  /** Base64. */
  readonly data?: Readonly<Record<string, string>>;
}

/** core/v1 NodeSelector: terms of which one must hold; in a term everything must. */
export interface NodeSelector {
  readonly nodeSelectorTerms: readonly {
    readonly matchExpressions?: readonly Requirement[];
    readonly matchFields?: readonly Requirement[];
  }[];
}

export interface Requirement {
  readonly key: string;
  /** `In`, `NotIn`, `Exists`, `DoesNotExist`, `Gt`, `Lt`. */
  readonly operator: string;
  readonly values?: readonly string[];
}

/** core/v1 ObjectReference. */
export interface ObjectReference {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
}

/** storage.k8s.io/v1 StorageClass. */
export interface StorageClass extends ApiObject {
  readonly provisioner: string;
  readonly parameters?: Readonly<Record<string, string>>;
  readonly reclaimPolicy?: string;
  readonly mountOptions?: readonly string[];
  readonly allowVolumeExpansion?: boolean;
  readonly volumeBindingMode?: string;
  readonly allowedTopologies?: readonly {
    readonly matchLabelExpressions?: readonly { readonly key: string; readonly values: readonly string[] }[];
  }[];
}

/** storage.k8s.io/v1 VolumeAttributesClass. */
export interface VolumeAttributesClass extends ApiObject {
  readonly driverName: string;
  readonly parameters?: Readonly<Record<string, string>>;
}

/** storage.k8s.io/v1 CSIStorageCapacity. */
export interface CsiStorageCapacity extends ApiObject {
  readonly storageClassName: string;
  readonly nodeTopology?: {
    readonly matchLabels?: Readonly<Record<string, string>>;
    readonly matchExpressions?: readonly object[];
  };
  readonly capacity?: string;
  readonly maximumVolumeSize?: string;
}

/** core/v1 Event. */
export interface CoreEvent extends ApiObject {
  readonly involvedObject: ObjectReference;
  readonly type: string;
  readonly reason: string;
  readonly message: string;
  readonly source?: { readonly component?: string; readonly host?: string };
  readonly reportingComponent?: string;
  readonly reportingInstance?: string;
  readonly count?: number;
  /** RFC 3339. */
  readonly firstTimestamp?: string;
  readonly lastTimestamp?: string;
}
