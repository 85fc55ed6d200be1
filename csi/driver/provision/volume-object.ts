/** The PersistentVolume of a volume that was made. Pure. */

import type { Volume } from '#messages/csi';
import { formatQuantity } from '../../../shared/kube/quantity.ts';
import type {
  PersistentVolume,
  PersistentVolumeClaim,
  SecretReference,
  StorageClass,
} from '../../../shared/kube/storage-types.ts';
import { classOf } from './claim-step.ts';
import { fsTypeOf } from './class-parameters.ts';
import { requestedBytes } from './data-source.ts';
import { ANNOTATION, FINALIZER, IDENTITY_ATTRIBUTE, volumeNameOf } from './names.ts';
import type { SecretPurpose } from './secret-references.ts';
import { affinityOf } from './topology.ts';

export interface VolumeOrigin {
  readonly driver: string;
  /** Of this run of the provisioner. */
  readonly identity: string;
  readonly hasTopology: boolean;
  readonly secrets: Partial<Record<SecretPurpose, SecretReference>>;
}

export function volumeObject(
  claim: PersistentVolumeClaim,
  storageClass: StorageClass,
  volume: Volume,
  { driver, identity, hasTopology, secrets }: VolumeOrigin,
): PersistentVolume {
  const { name, namespace = '', uid = '', resourceVersion } = claim.metadata;
  const { accessModes, volumeMode, volumeAttributesClassName } = claim.spec ?? {};
  const affinity = hasTopology ? affinityOf(volume.accessibleTopology) : undefined;
  const fsType = volumeMode === 'Block' ? '' : fsTypeOf(storageClass.parameters);
  const bytes = volume.capacityBytes === 0n ? requestedBytes(claim) : volume.capacityBytes;
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: {
      name: volumeNameOf(uid),
      finalizers: [FINALIZER.volume],
      annotations: {
        [ANNOTATION.provisionedBy]: driver,
        [ANNOTATION.deletionSecretName]: secrets.provisioner?.name ?? '',
        [ANNOTATION.deletionSecretNamespace]: secrets.provisioner?.namespace ?? '',
        ...(secrets['controller-modify'] && {
          [ANNOTATION.modifySecretName]: secrets['controller-modify'].name,
          [ANNOTATION.modifySecretNamespace]: secrets['controller-modify'].namespace,
        }),
      },
    },
    spec: {
      capacity: { storage: formatQuantity(bytes) },
      ...(accessModes && { accessModes }),
      ...(storageClass.mountOptions && { mountOptions: storageClass.mountOptions }),
      ...(volumeMode && { volumeMode }),
      ...(volumeAttributesClassName && { volumeAttributesClassName }),
      storageClassName: classOf(claim),
      ...(storageClass.reclaimPolicy && { persistentVolumeReclaimPolicy: storageClass.reclaimPolicy }),
      claimRef: {
        apiVersion: 'v1',
        kind: 'PersistentVolumeClaim',
        namespace,
        name,
        uid,
        ...(resourceVersion && { resourceVersion }),
      },
      ...(affinity && { nodeAffinity: affinity }),
      csi: {
        driver,
        volumeHandle: volume.volumeId,
        ...(fsType !== '' && { fsType }),
        volumeAttributes: { [IDENTITY_ATTRIBUTE]: identity, ...volume.volumeContext },
        ...secretRefs(secrets),
      },
    },
  };
}

function secretRefs(secrets: VolumeOrigin['secrets']): Partial<NonNullable<PersistentVolume['spec']['csi']>> {
  return {
    ...(secrets['controller-publish'] && { controllerPublishSecretRef: secrets['controller-publish'] }),
    ...(secrets['node-stage'] && { nodeStageSecretRef: secrets['node-stage'] }),
    ...(secrets['node-publish'] && { nodePublishSecretRef: secrets['node-publish'] }),
    ...(secrets['controller-expand'] && { controllerExpandSecretRef: secrets['controller-expand'] }),
    ...(secrets['node-expand'] && { nodeExpandSecretRef: secrets['node-expand'] }),
  };
}
