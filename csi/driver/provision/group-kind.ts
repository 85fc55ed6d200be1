/** Snapshots of several volumes at the same moment. */

import type { VolumeGroupSnapshot } from '#messages/csi';
import type { VolumeGroupSnapshotContent } from '../../../shared/kube/snapshot-types.ts';
import { type GroupVersion, groupClasses, groupContents } from '../../../shared/kube/storage-resources.ts';
import { driverParameters } from './class-parameters.ts';
import type { ContentAnswer, ContentKind } from './content-kind.ts';
import { saysNothingThere } from './content-queue.ts';
import type { Context } from './context.ts';
import { timeOf } from './event-recorder.ts';
import { PREFIX } from './names.ts';
import { snapshotSecret } from './secret-references.ts';
import { nanosecondsOf } from './snapshot-kind.ts';

const NAMES = {
  finalizer: 'groupsnapshot.storage.kubernetes.io/volumegroupsnapshotcontent-bound-protection',
  beingCreated: 'groupsnapshot.storage.kubernetes.io/volumegroupsnapshot-being-created',
  beingDeleted: 'groupsnapshot.storage.kubernetes.io/volumegroupsnapshot-being-deleted',
  secretName: 'groupsnapshot.storage.kubernetes.io/deletion-secret-name',
  secretNamespace: 'groupsnapshot.storage.kubernetes.io/deletion-secret-namespace',
};

export function groupKind(context: Context, version: GroupVersion): ContentKind<VolumeGroupSnapshotContent> {
  const { calls, clock, extraMetadata } = context.options;
  const { createVolumeGroupSnapshot, deleteVolumeGroupSnapshot, getVolumeGroupSnapshot } = calls;
  const get = async (
    content: VolumeGroupSnapshotContent,
    secrets: Record<string, string>,
    signal: AbortSignal,
  ): Promise<VolumeGroupSnapshot | undefined> => {
    const request = { groupSnapshotId: handleOf(content), snapshotIds: snapshotsOf(content), secrets };
    const answer = await context.call(signal, async (each) => getVolumeGroupSnapshot?.(request, each));
    return answer?.groupSnapshot;
  };
  return {
    kind: 'VolumeGroupSnapshotContent',
    apiVersion: `groupsnapshot.storage.k8s.io/${version}`,
    resource: groupContents(version),
    classes: groupClasses(version),
    names: NAMES,
    reason: 'GroupSnapshot',
    noun: 'group snapshot',
    factsOf: ({ metadata, spec, status }) => ({
      metadata,
      policy: spec.deletionPolicy,
      userUid: spec.volumeGroupSnapshotRef.uid ?? '',
      isGiven: spec.source.groupSnapshotHandles !== undefined,
      isMember: false,
      handle: status?.volumeGroupSnapshotHandle,
      isReady: status?.readyToUse === true,
    }),
    specOf: ({ spec }) => ({ driver: spec.driver, className: spec.volumeGroupSnapshotClassName }),
    volumesOf: ({ spec }) => spec.source.volumeHandles ?? [],
    errorOf: ({ status }) => status?.error?.message,
    isHere: async (content, signal) => {
      try {
        return (await get(content, {}, signal)) !== undefined;
      } catch (error) {
        if (saysNothingThere(error)) return false;
        throw error;
      }
    },
    create: async ({ metadata, spec }, parameters, secrets, signal) => {
      const { name = '', namespace = '', uid } = spec.volumeGroupSnapshotRef;
      const names = {
        [`${PREFIX}volumegroupsnapshot/name`]: name,
        [`${PREFIX}volumegroupsnapshot/namespace`]: namespace,
        [`${PREFIX}volumegroupsnapshotcontent/name`]: metadata.name,
      };
      const request = {
        name: `groupsnapshot-${uid}`,
        sourceVolumeIds: spec.source.volumeHandles ?? [],
        parameters: { ...driverParameters(parameters, 'snapshots'), ...(extraMetadata && names) },
        secrets,
      };
      const answer = await context.call(signal, async (each) => createVolumeGroupSnapshot?.(request, each));
      return statusOf(answer?.groupSnapshot, version, clock.now().wallMs);
    },
    checkSecret: ({ metadata }, parameters) =>
      snapshotSecret(parameters, 'group-snapshotter-get', {
        'volumegroupsnapshotcontent.name': metadata.name,
      }),
    check: async (content, secrets, signal) => {
      const group = await get(content, secrets, signal);
      const { status, isReady } = statusOf(group, version, clock.now().wallMs);
      // Whose snapshots were there before has them in its spec.
      const { volumeSnapshotInfoList: _, volumeSnapshotHandlePairList: __, ...rest } = status as Lists;
      return { status: rest, isReady };
    },
    delete: async (content, secrets, signal) => {
      const request = { groupSnapshotId: handleOf(content), snapshotIds: snapshotsOf(content), secrets };
      await context.call(signal, async (each) => deleteVolumeGroupSnapshot?.(request, each));
    },
    cleared: { volumeGroupSnapshotHandle: null, readyToUse: null, creationTime: null, error: null },
  };
}

interface Lists {
  readonly volumeSnapshotInfoList?: unknown;
  readonly volumeSnapshotHandlePairList?: unknown;
}

function handleOf({ spec, status }: VolumeGroupSnapshotContent): string {
  return (
    status?.volumeGroupSnapshotHandle ?? spec.source.groupSnapshotHandles?.volumeGroupSnapshotHandle ?? ''
  );
}

function snapshotsOf({ spec, status }: VolumeGroupSnapshotContent): readonly string[] {
  const made = status?.volumeSnapshotInfoList ?? status?.volumeSnapshotHandlePairList ?? [];
  if (made.length > 0) return made.flatMap(({ snapshotHandle }) => snapshotHandle ?? []);
  return spec.source.groupSnapshotHandles?.volumeSnapshotHandles ?? [];
}

function statusOf(
  group: VolumeGroupSnapshot | undefined,
  version: GroupVersion,
  nowMs: number,
): ContentAnswer {
  const { groupSnapshotId = '', snapshots = [], creationTime, readyToUse = false } = group ?? {};
  const infos = snapshots.map((each) => ({
    volumeHandle: each.sourceVolumeId,
    snapshotHandle: each.snapshotId,
    ...(each.creationTime && { creationTime: nanosecondsOf(each.creationTime) }),
    readyToUse: each.readyToUse,
    ...(each.sizeBytes > 0n && { restoreSize: Number(each.sizeBytes) }),
  }));
  const pairs = infos.map(({ volumeHandle, snapshotHandle }) => ({ volumeHandle, snapshotHandle }));
  return {
    status: {
      volumeGroupSnapshotHandle: groupSnapshotId,
      readyToUse,
      creationTime: timeOf(creationTime ? Number(creationTime.seconds) * 1000 : nowMs),
      ...(version === 'v1beta1'
        ? { volumeSnapshotHandlePairList: pairs }
        : { volumeSnapshotInfoList: infos }),
      ...(readyToUse && { error: null }),
    },
    isReady: readyToUse,
  };
}
