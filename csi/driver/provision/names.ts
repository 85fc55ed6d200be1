/**
 * Names under which the standard sidecars write into objects, so that they and this one can take over from each other. Pure.
 *
 * Sources: kubernetes-csi/external-provisioner 6.4 with sig-storage-lib-external-provisioner 13.1, external-resizer 2.3 and
 * external-snapshotter 8.7.
 */

export const ANNOTATION = {
  /** On a claim, by the controller manager: who is to make its volume. */
  storageProvisioner: 'volume.kubernetes.io/storage-provisioner',
  betaStorageProvisioner: 'volume.beta.kubernetes.io/storage-provisioner',
  /** On a claim, by the scheduler, or by the node that takes a claim which binds at once. */
  selectedNode: 'volume.kubernetes.io/selected-node',
  /** On a volume. */
  provisionedBy: 'pv.kubernetes.io/provisioned-by',
  deletionSecretName: 'volume.kubernetes.io/provisioner-deletion-secret-name',
  deletionSecretNamespace: 'volume.kubernetes.io/provisioner-deletion-secret-namespace',
  modifySecretName: 'volume.kubernetes.io/controller-modify-secret-name',
  modifySecretNamespace: 'volume.kubernetes.io/controller-modify-secret-namespace',
  preResizeCapacity: 'volume.alpha.kubernetes.io/pre-resize-capacity',
  /** On a claim. */
  nodeExpansionNotRequired: 'volume.kubernetes.io/node-expansion-not-required',
  /** On a snapshot's content. */
  allowVolumeModeChange: 'snapshot.storage.kubernetes.io/allow-volume-mode-change',
} as const;

export const FINALIZER = {
  /** On a volume. */
  volume: 'external-provisioner.volume.kubernetes.io/finalizer',
  /** On a claim that is being cloned. */
  clone: 'provisioner.storage.kubernetes.io/cloning-protection',
  /** On a VolumeSnapshot that a volume is being made from. */
  snapshotSource: 'provisioner.storage.kubernetes.io/volumesnapshot-as-source-protection',
} as const;

/** Keys of a class that are for the provisioner, and keys that it adds for the driver. */
export const PREFIX = 'csi.storage.k8s.io/';

/** In a volume's attributes: which run of a provisioner made it. */
export const IDENTITY_ATTRIBUTE = 'storage.kubernetes.io/csiProvisionerIdentity';

export const SNAPSHOT_GROUP = 'snapshot.storage.k8s.io';

/** Who is to make a claim's volume, as the controller manager wrote it. */
export function provisionerOf(annotations: Readonly<Record<string, string>> = {}): string | undefined {
  return annotations[ANNOTATION.storageProvisioner] ?? annotations[ANNOTATION.betaStorageProvisioner];
}

/** The name of a claim's volume, in the cluster and for the driver. */
export function volumeNameOf(claimUid: string): string {
  return `pvc-${claimUid}`;
}
