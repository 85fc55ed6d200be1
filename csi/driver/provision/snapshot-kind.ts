/** Snapshots of single volumes. */

import type { Snapshot, Timestamp } from '#messages/csi';
import type { VolumeSnapshotContent } from '../../../shared/kube/snapshot-types.ts';
import { SNAPSHOT_CLASSES, SNAPSHOT_CONTENTS } from '../../../shared/kube/storage-resources.ts';
import { driverParameters } from './class-parameters.ts';
import type { ContentAnswer, ContentKind } from './content-kind.ts';
import type { Context } from './context.ts';
import { PREFIX } from './names.ts';
import { snapshotSecret } from './secret-references.ts';

/** On a content: it is of this group, and was made with it. */
const GROUP_HANDLE = 'groupsnapshot.storage.k8s.io/volumeGroupSnapshotHandle';

const NAMES = {
  finalizer: 'snapshot.storage.kubernetes.io/volumesnapshotcontent-bound-protection',
  beingCreated: 'snapshot.storage.kubernetes.io/volumesnapshot-being-created',
  beingDeleted: 'snapshot.storage.kubernetes.io/volumesnapshot-being-deleted',
  secretName: 'snapshot.storage.kubernetes.io/deletion-secret-name',
  secretNamespace: 'snapshot.storage.kubernetes.io/deletion-secret-namespace',
};

export function snapshotKind(context: Context): ContentKind<VolumeSnapshotContent> {
  const { calls, clock, extraMetadata } = context.options;
  const { createSnapshot, deleteSnapshot, listSnapshots } = calls;
  const handleOf = ({ spec, status }: VolumeSnapshotContent): string =>
    status?.snapshotHandle ?? spec.source.snapshotHandle ?? '';
  const find = async (
    snapshotId: string,
    secrets: Record<string, string>,
    signal: AbortSignal,
  ): Promise<Snapshot | undefined> => {
    const answer = await context.call(signal, async (each) => listSnapshots?.({ snapshotId, secrets }, each));
    return answer?.entries[0]?.snapshot;
  };
  return {
    kind: 'VolumeSnapshotContent',
    apiVersion: 'snapshot.storage.k8s.io/v1',
    resource: SNAPSHOT_CONTENTS,
    classes: SNAPSHOT_CLASSES,
    names: NAMES,
    reason: 'Snapshot',
    noun: 'snapshot',
    factsOf: ({ metadata, spec, status }) => ({
      metadata,
      policy: spec.deletionPolicy,
      userUid: spec.volumeSnapshotRef.uid ?? '',
      isGiven: spec.source.snapshotHandle !== undefined,
      isMember:
        status?.volumeGroupSnapshotHandle !== undefined || metadata.annotations?.[GROUP_HANDLE] !== undefined,
      handle: status?.snapshotHandle,
      isReady: status?.readyToUse === true,
    }),
    specOf: ({ spec }) => ({ driver: spec.driver, className: spec.volumeSnapshotClassName }),
    volumesOf: ({ spec }) => (spec.source.volumeHandle === undefined ? [] : [spec.source.volumeHandle]),
    errorOf: ({ status }) => status?.error?.message,
    isHere: async (content, signal) => (await find(handleOf(content), {}, signal)) !== undefined,
    create: async ({ metadata, spec }, parameters, secrets, signal) => {
      const { name = '', namespace = '', uid } = spec.volumeSnapshotRef;
      const names = {
        [`${PREFIX}volumesnapshot/name`]: name,
        [`${PREFIX}volumesnapshot/namespace`]: namespace,
        [`${PREFIX}volumesnapshotcontent/name`]: metadata.name,
      };
      const request = {
        name: `snapshot-${uid}`,
        sourceVolumeId: spec.source.volumeHandle ?? '',
        parameters: { ...driverParameters(parameters, 'snapshots'), ...(extraMetadata && names) },
        secrets,
      };
      const answer = await context.call(signal, async (each) => createSnapshot?.(request, each));
      return statusOf(answer?.snapshot, clock.now().wallMs);
    },
    checkSecret: ({ metadata }, parameters) =>
      snapshotSecret(parameters, 'snapshotter-list', { 'volumesnapshotcontent.name': metadata.name }),
    check: async (content, secrets, signal) => {
      const snapshotId = handleOf(content);
      // A driver that does not list is believed to have it (csi-snapshotter, GetSnapshotStatus).
      if (!listSnapshots) return { status: { snapshotHandle: snapshotId, readyToUse: true }, isReady: true };
      const found = await find(snapshotId, secrets, signal);
      if (!found) return { status: { readyToUse: false }, isReady: false };
      return statusOf(found, clock.now().wallMs);
    },
    delete: async (content, secrets, signal) => {
      const snapshotId = handleOf(content);
      await context.call(signal, async (each) => deleteSnapshot?.({ snapshotId, secrets }, each));
    },
    cleared: { snapshotHandle: null, readyToUse: null, creationTime: null, restoreSize: null },
  };
}

function statusOf(snapshot: Snapshot | undefined, nowMs: number): ContentAnswer {
  const {
    snapshotId = '',
    readyToUse = false,
    sizeBytes = 0n,
    creationTime,
    groupSnapshotId,
  } = snapshot ?? {};
  return {
    status: {
      snapshotHandle: snapshotId,
      readyToUse,
      creationTime: creationTime ? nanosecondsOf(creationTime) : nowMs * 1e6,
      ...(sizeBytes > 0n && { restoreSize: Number(sizeBytes) }),
      ...(groupSnapshotId && { volumeGroupSnapshotHandle: groupSnapshotId }),
      ...(readyToUse && { error: null }),
    },
    isReady: readyToUse,
  };
}

/** Since 1970, as exactly as a JavaScript number can. */
export function nanosecondsOf({ seconds, nanos }: Timestamp): number {
  return Number(seconds * 1_000_000_000n + BigInt(nanos));
}
