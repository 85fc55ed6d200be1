/** Reads what a claim's CreateVolume needs beside the claim and its class. */

import {
  ATTRIBUTES_CLASSES,
  CLAIMS,
  SNAPSHOT_CONTENTS,
  SNAPSHOTS_ASKED,
  VOLUMES,
} from '../../../shared/kube/storage-resources.ts';
import type {
  PersistentVolumeClaim,
  SecretReference,
  StorageClass,
} from '../../../shared/kube/storage-types.ts';
import { ClassError } from './class-parameters.ts';
import type { Context } from './context.ts';
import { type CreateRequest, claimSecrets, createRequest } from './create-request.ts';
import { cloneHandle, restoreHandle, type Source, SourceError } from './data-source.ts';
import { getIfThere } from './object-changes.ts';
import type { SecretPurpose } from './secret-references.ts';
import { isReachable } from './topology.ts';

export interface Prepared {
  readonly request: CreateRequest;
  readonly secrets: Partial<Record<SecretPurpose, SecretReference>>;
  /** False where the data that the volume is to be filled from is on another node. */
  readonly isSourceHere: boolean;
}

/** @throws ClassError, SourceError where it cannot be; KubeError */
export async function prepare(
  context: Context,
  claim: PersistentVolumeClaim,
  storageClass: StorageClass,
  source: Source,
  signal: AbortSignal,
): Promise<Prepared> {
  const { node, multiWriter, extraMetadata } = context.options;
  const found = await findSource(context, claim, source, signal);
  const mutableParameters = await attributesOf(context, claim, signal);
  const request = createRequest(claim, storageClass, {
    node,
    multiWriter,
    extraMetadata,
    ...(found && { source: found }),
    ...(mutableParameters && { mutableParameters }),
  });
  return { request, secrets: claimSecrets(claim, storageClass), isSourceHere: found?.isHere ?? true };
}

interface FoundSource {
  readonly kind: 'claim' | 'snapshot';
  readonly handle: string;
  readonly isHere: boolean;
}

async function findSource(
  context: Context,
  claim: PersistentVolumeClaim,
  source: Source,
  signal: AbortSignal,
): Promise<FoundSource | undefined> {
  const { client, driver, node, calls } = context.options;
  const { namespace = '' } = claim.metadata;
  if (source.kind === 'claim') {
    const from = await getIfThere(client, CLAIMS, { namespace, name: source.name }, signal);
    if (!from) throw new SourceError(`error getting PVC ${source.name} (namespace "${namespace}")`);
    const name = from.spec?.volumeName;
    const volume = name ? await getIfThere(client, VOLUMES, { name }, signal) : undefined;
    const handle = cloneHandle(claim, from, volume, driver);
    return { kind: 'claim', handle, isHere: isReachable(volume?.spec.nodeAffinity, node?.segments) };
  }
  if (source.kind !== 'snapshot') return undefined;
  if (!calls.createSnapshot) throw new SourceError('CSI driver does not support snapshot restore');
  const snapshot = await getIfThere(client, SNAPSHOTS_ASKED, { namespace, name: source.name }, signal);
  if (!snapshot) throw new SourceError(`error getting snapshot ${source.name} from api server`);
  const bound = snapshot.status?.boundVolumeSnapshotContentName;
  const content = bound ? await getIfThere(client, SNAPSHOT_CONTENTS, { name: bound }, signal) : undefined;
  const handle = restoreHandle(claim, snapshot, content, driver);
  return { kind: 'snapshot', handle, isHere: await isSnapshotHere(context, handle, signal) };
}

/** Where volumes are of one node, so are their snapshots: its driver knows them. */
async function isSnapshotHere(context: Context, snapshotId: string, signal: AbortSignal): Promise<boolean> {
  const { node, calls } = context.options;
  const { listSnapshots } = calls;
  if (!node || !listSnapshots) return true;
  const { entries } = await context.call(signal, (each) => listSnapshots({ snapshotId }, each));
  return entries.length > 0;
}

async function attributesOf(
  context: Context,
  claim: PersistentVolumeClaim,
  signal: AbortSignal,
): Promise<Readonly<Record<string, string>> | undefined> {
  const { client, calls, driver } = context.options;
  const name = claim.spec?.volumeAttributesClassName;
  if (!name) return undefined;
  if (!calls.controllerModifyVolume)
    throw new ClassError('CSI driver does not support VolumeAttributesClass');
  const found = await getIfThere(client, ATTRIBUTES_CLASSES, { name }, signal);
  if (!found) throw new ClassError(`VolumeAttributesClass "${name}" not found`);
  if (found.driverName !== driver)
    throw new ClassError(
      `VAC ${name} referenced in PVC is for driver ${found.driverName} which does not match driver name ${driver}`,
    );
  return found.parameters ?? {};
}
