/** Snapshots of several volumes that belong together. */

import type {
  CreateVolumeGroupSnapshotRequest,
  CreateVolumeGroupSnapshotResponse,
  DeleteVolumeGroupSnapshotRequest,
  GetVolumeGroupSnapshotRequest,
  GetVolumeGroupSnapshotResponse,
  VolumeGroupSnapshot,
} from '#messages/csi';
import type { Init } from '../../../shared/grpc/wire/schema.ts';
import { isErrno } from '../../../shared/sys/errno.ts';
import { aborted, alreadyExists, invalidArgument, notFound } from '../../driver/status.ts';
import { whileStill } from '../backends/still.ts';
import { idOf } from '../ids.ts';
import { findSnapshot, type LocalParts, volumeOf } from '../parts.ts';
import type { SnapshotRecord } from '../record.ts';
import { snapshotMessage, timestamp } from './messages.ts';
import { removeSnapshot, takeSnapshot } from './snapshots.ts';

export async function createGroup(
  parts: LocalParts,
  { name, sourceVolumeIds, parameters }: CreateVolumeGroupSnapshotRequest,
  signal: AbortSignal,
): Promise<Init<CreateVolumeGroupSnapshotResponse>> {
  const unknown = Object.keys(parameters).find((key) => !key.startsWith('csi.storage.k8s.io/'));
  if (unknown !== undefined)
    throw invalidArgument('parameters', `"${unknown}" is unknown; groups have no parameters`);
  const sources = [...new Set(sourceVolumeIds)].sort();
  const group = idOf(name);
  const known = membersOf(parts, group);
  const size = sources.length;
  if (known.length > 0 && known.every(({ members: of }) => of === known.length)) {
    const isSame = known.length === size && known.every(({ source }) => sources.includes(source));
    if (isSame) return { groupSnapshot: groupMessage(group, known) };
    throw alreadyExists(`group ${group}`, `it is of ${known.map(({ source }) => source).join(', ')}`);
  }
  // Before the first is made: a group is whole or not begun.
  const mounted = sources.flatMap((source) => stageOf(parts, source));
  // What a try before has made is of another moment.
  await removeMembers(parts, group, signal);
  const members: SnapshotRecord[] = [];
  try {
    await allStill(mounted, async () => {
      for (const source of sources)
        members.push(
          await takeSnapshot(
            parts,
            { name: memberName(group, source), source, group, members: size },
            signal,
          ),
        );
    });
  } catch (error) {
    await removeMembers(parts, group, signal);
    if (!isErrno(error, 'EBUSY')) throw error;
    throw aborted(`the volumes of group ${group} could not be held still for long enough`);
  }
  return { groupSnapshot: groupMessage(group, members) };
}

/** Where a volume's own file system is mounted, if it has one and is. @throws RpcError NOT_FOUND */
function stageOf(parts: LocalParts, id: string): readonly string[] {
  const { record, backend } = volumeOf(parts, id);
  const { staged } = parts.uses.of(id);
  return staged && record.access === 'mount' && backend.features.ownFileSystem ? [staged.path] : [];
}

/** One after the other is frozen, then all are copied: all at one moment. @throws SyscallError EBUSY where that took too long */
function allStill([first, ...rest]: readonly string[], work: () => Promise<void>): Promise<void> {
  return first === undefined ? work() : whileStill(first, () => allStill(rest, work));
}

async function removeMembers(parts: LocalParts, group: string, signal: AbortSignal): Promise<void> {
  for (const { id } of everyMember(parts, group)) {
    const snapshot = findSnapshot(parts, id);
    if (snapshot) await removeSnapshot(parts, snapshot, signal);
  }
}

export async function deleteGroup(
  parts: LocalParts,
  { groupSnapshotId, snapshotIds }: DeleteVolumeGroupSnapshotRequest,
  signal: AbortSignal,
): Promise<Record<never, never>> {
  checkMembers(parts, groupSnapshotId, snapshotIds);
  await removeMembers(parts, groupSnapshotId, signal);
  return {};
}

export async function getGroup(
  parts: LocalParts,
  { groupSnapshotId, snapshotIds }: GetVolumeGroupSnapshotRequest,
): Promise<Init<GetVolumeGroupSnapshotResponse>> {
  const members = membersOf(parts, groupSnapshotId);
  if (members.length === 0) throw notFound(`group ${groupSnapshotId}`);
  checkMembers(parts, groupSnapshotId, snapshotIds);
  return { groupSnapshot: groupMessage(groupSnapshotId, members) };
}

/** @throws RpcError INVALID_ARGUMENT for a snapshot that is of another group, or of none */
function checkMembers(parts: LocalParts, group: string, ids: readonly string[]): void {
  for (const id of ids) {
    const record = findSnapshot(parts, id)?.record;
    if (record && record.group !== group)
      throw invalidArgument(
        'snapshot_ids',
        `snapshot ${id} is of group ${record.group ?? 'none'}, not ${group}`,
      );
  }
}

/** Also those that are half made, or half gone. */
function everyMember({ pools }: LocalParts, group: string): readonly SnapshotRecord[] {
  return [...pools.values()].flatMap((pool) =>
    [...pool.snapshots.values()].filter((record) => record.group === group),
  );
}

function membersOf(parts: LocalParts, group: string): readonly SnapshotRecord[] {
  return everyMember(parts, group).filter(({ state }) => state === 'ready');
}

/** The same for the same volume, so that a group that was cut off goes on where it was. */
function memberName(group: string, source: string): string {
  return `${group}/${source}`;
}

function groupMessage(group: string, members: readonly SnapshotRecord[]): Init<VolumeGroupSnapshot> {
  return {
    groupSnapshotId: group,
    snapshots: members.map(snapshotMessage),
    creationTime: timestamp(Math.max(0, ...members.map(({ created }) => created))),
    readyToUse: members.length > 0,
  };
}
