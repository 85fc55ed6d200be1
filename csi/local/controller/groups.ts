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
import { alreadyExists, invalidArgument, notFound } from '../../driver/status.ts';
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
  const known = membersOf(parts, group).map(({ source }) => source);
  const other = known.find((source) => !sources.includes(source));
  if (other !== undefined) throw alreadyExists(`group ${group}`, `it has a snapshot of volume ${other}`);
  // Before the first is made: a group is whole or not begun.
  for (const source of sources) volumeOf(parts, source);
  const members: SnapshotRecord[] = [];
  for (const source of sources)
    members.push(await takeSnapshot(parts, { name: memberName(group, source), source, group }, signal));
  return { groupSnapshot: groupMessage(group, members) };
}

export async function deleteGroup(
  parts: LocalParts,
  { groupSnapshotId, snapshotIds }: DeleteVolumeGroupSnapshotRequest,
  signal: AbortSignal,
): Promise<Record<never, never>> {
  checkMembers(parts, groupSnapshotId, snapshotIds);
  for (const { id } of everyMember(parts, groupSnapshotId)) {
    const snapshot = findSnapshot(parts, id);
    if (snapshot) await removeSnapshot(parts, snapshot, signal);
  }
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
