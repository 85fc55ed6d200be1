/** The CreateVolume of a claim. Pure. */

import { AccessModeMode, type CreateVolumeRequest } from '#messages/csi';
import type { Init } from '../../../shared/grpc/wire/schema.ts';
import type {
  PersistentVolumeClaim,
  SecretReference,
  StorageClass,
} from '../../../shared/kube/storage-types.ts';
import { accessModeOf } from './access-modes.ts';
import type { OwnNode } from './claim-step.ts';
import { ClassError, driverParameters, fsTypeOf } from './class-parameters.ts';
import { requestedBytes } from './data-source.ts';
import { PREFIX, volumeNameOf } from './names.ts';
import { type SecretPurpose, secretReference } from './secret-references.ts';
import { isAllowed } from './topology.ts';

/** What it comes from beside the claim and its class. */
export interface RequestOptions {
  readonly node: OwnNode | undefined;
  /** The driver says SINGLE_NODE_MULTI_WRITER. */
  readonly multiWriter: boolean;
  readonly extraMetadata: boolean;
  readonly source?: { readonly kind: 'claim' | 'snapshot'; readonly handle: string };
  /** Of the claim's VolumeAttributesClass. */
  readonly mutableParameters?: Readonly<Record<string, string>>;
}

/** Without secrets: these are read when the call is made, and are kept nowhere. */
export type CreateRequest = Omit<Init<CreateVolumeRequest>, 'secrets'> & { readonly name: string };

/** @throws ClassError where no request can be made of them */
export function createRequest(
  claim: PersistentVolumeClaim,
  storageClass: StorageClass,
  options: RequestOptions,
): CreateRequest {
  const { node, source, mutableParameters, extraMetadata } = options;
  const { name, namespace = '', uid = '' } = claim.metadata;
  if (claim.spec?.selector) throw new ClassError('claim Selector is not supported');
  if (!isAllowed(storageClass, node?.segments))
    throw new ClassError(`selected node "${node?.name}" is not in allowed topologies of the storage class`);
  const volume = volumeNameOf(uid);
  const metadata = {
    [`${PREFIX}pvc/name`]: name,
    [`${PREFIX}pvc/namespace`]: namespace,
    [`${PREFIX}pv/name`]: volume,
  };
  const topology = node && [{ segments: node.segments }];
  return {
    name: volume,
    capacityRange: { requiredBytes: requestedBytes(claim) },
    volumeCapabilities: capabilitiesOf(claim, storageClass, options),
    parameters: { ...driverParameters(storageClass.parameters), ...(extraMetadata && metadata) },
    ...(topology && { accessibilityRequirements: { requisite: topology, preferred: topology } }),
    ...(source?.kind === 'claim' && { volumeContentSource: { volume: { volumeId: source.handle } } }),
    ...(source?.kind === 'snapshot' && { volumeContentSource: { snapshot: { snapshotId: source.handle } } }),
    ...(mutableParameters && { mutableParameters }),
  };
}

/** One for each of the claim's access modes. @throws ClassError */
function capabilitiesOf(
  claim: PersistentVolumeClaim,
  storageClass: StorageClass,
  { multiWriter }: RequestOptions,
): NonNullable<CreateRequest['volumeCapabilities']> {
  const { accessModes = [], volumeMode } = claim.spec ?? {};
  const mount = { fsType: fsTypeOf(storageClass.parameters), mountFlags: storageClass.mountOptions ?? [] };
  return accessModes.map((each) => {
    const mode = accessModeOf([each], multiWriter);
    if (typeof mode === 'object') throw new ClassError(mode.why);
    const accessMode = { mode: AccessModeMode[mode] };
    return volumeMode === 'Block' ? { block: {}, accessMode } : { mount, accessMode };
  });
}

/** All the secrets that a claim's volume names, by their purpose. @throws ClassError */
export function claimSecrets(
  claim: PersistentVolumeClaim,
  { parameters }: StorageClass,
): Partial<Record<SecretPurpose, SecretReference>> {
  const { name, namespace = '', uid = '', annotations = {} } = claim.metadata;
  const subject = { volume: volumeNameOf(uid), claim: { name, namespace, annotations } };
  const found = PURPOSES.map((purpose) => [purpose, secretReference(parameters, purpose, subject)] as const);
  return Object.fromEntries(found.filter(([, secret]) => secret));
}

const PURPOSES: readonly SecretPurpose[] = [
  'provisioner',
  'controller-publish',
  'node-stage',
  'node-publish',
  'controller-expand',
  'node-expand',
  'controller-modify',
];
