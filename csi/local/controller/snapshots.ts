/** CreateSnapshot and DeleteSnapshot: a copy of a volume's data at one moment, by reflink where the pool's file system can. */

import type { CreateSnapshotRequest, CreateSnapshotResponse, DeleteSnapshotRequest } from '#messages/csi';
import type { Init } from '../../../shared/grpc/wire/schema.ts';
import { errorText } from '../../../shared/log/format.ts';
import { isErrno } from '../../../shared/sys/errno.ts';
import {
  alreadyExists,
  failedPrecondition,
  invalidArgument,
  resourceExhausted,
  unimplemented,
} from '../../driver/status.ts';
import { idOf } from '../ids.ts';
import { findSnapshot, type LocalParts, type Snapshot, volumeOf } from '../parts.ts';
import type { SnapshotRecord } from '../record.ts';
import { snapshotMessage } from './messages.ts';

export async function createSnapshot(
  parts: LocalParts,
  { name, sourceVolumeId, parameters }: CreateSnapshotRequest,
  signal: AbortSignal,
): Promise<Init<CreateSnapshotResponse>> {
  // A VolumeSnapshotClass's parameters; its keys for the snapshotter alone have been taken away.
  const unknown = Object.keys(parameters).find((key) => !key.startsWith('csi.storage.k8s.io/'));
  if (unknown !== undefined)
    throw invalidArgument('parameters', `"${unknown}" is unknown; snapshots have no parameters`);
  return { snapshot: snapshotMessage(await takeSnapshot(parts, { name, source: sourceVolumeId }, signal)) };
}

/** @param wanted of a group, its id and size as well @throws RpcError */
export async function takeSnapshot(
  parts: LocalParts,
  wanted: {
    readonly name: string;
    readonly source: string;
    readonly group?: string;
    readonly members?: number;
  },
  signal: AbortSignal,
): Promise<SnapshotRecord> {
  const id = idOf(wanted.name);
  const known = findSnapshot(parts, id);
  if (known) {
    const { record } = known;
    if (record.state === 'removing') throw failedPrecondition(`snapshot ${id} is being deleted`);
    if (record.name !== wanted.name)
      throw alreadyExists(`snapshot ${id}`, `its name is ${JSON.stringify(record.name)}`);
    if (record.source !== wanted.source)
      throw alreadyExists(`snapshot ${id}`, `it is of volume ${record.source}`);
    if (record.group !== wanted.group)
      throw alreadyExists(`snapshot ${id}`, `it is of group ${record.group ?? 'none'}`);
    if (record.state === 'ready') return record;
  }
  const { record: volume, pool, place: source, backend } = volumeOf(parts, wanted.source);
  if (!backend.features.snapshots) throw unimplemented(`snapshots of backend ${backend.name}`);
  const record: SnapshotRecord = known?.record ?? {
    id,
    name: wanted.name,
    state: 'making',
    backend: volume.backend,
    size: volume.size,
    // It is written once, and then only shared.
    thin: true,
    access: volume.access,
    fsType: volume.fsType,
    source: volume.id,
    created: parts.now(),
    ...(wanted.group !== undefined && { group: wanted.group }),
    ...(wanted.members !== undefined && { members: wanted.members }),
  };
  if (!known) {
    const room = pool.room();
    if (record.size > room)
      throw resourceExhausted(
        `pool ${pool.name} has room for ${room} bytes, not for a snapshot of ${record.size}`,
      );
    pool.keepSnapshot(record);
  }
  const place = pool.snapshotPlace(id);
  await parts.jobs.run(`snapshot ${id}`, signal, async (stop) => {
    try {
      await backend.copy(place, record, { place: source, shape: volume }, { signal: stop });
      pool.keepSnapshot({ ...record, state: 'ready', created: parts.now() });
    } catch (error) {
      if (isErrno(error, 'ENOSPC', 'EDQUOT')) await undo(parts, { record, pool, place, backend });
      throw error;
    }
  });
  return pool.snapshots.get(id) ?? record;
}

export async function deleteSnapshot(
  parts: LocalParts,
  { snapshotId }: DeleteSnapshotRequest,
  signal: AbortSignal,
): Promise<Record<never, never>> {
  const snapshot = findSnapshot(parts, snapshotId);
  if (!snapshot) return {};
  const { group } = snapshot.record;
  // Spec, DeleteSnapshot: one that is part of a group goes with it, or not at all.
  if (group !== undefined && snapshot.record.state === 'ready')
    throw invalidArgument(
      'snapshot_id',
      `snapshot ${snapshotId} is part of group ${group}, which is deleted as a whole`,
    );
  await removeSnapshot(parts, snapshot, signal);
  return {};
}

export async function removeSnapshot(
  parts: LocalParts,
  snapshot: Snapshot,
  signal: AbortSignal,
): Promise<void> {
  const { record, pool, place, backend } = snapshot;
  await parts.jobs.cancel(`snapshot ${record.id}`);
  if (record.state !== 'removing') pool.keepSnapshot({ ...record, state: 'removing' });
  await backend.remove(place, { signal });
  pool.forgetSnapshot(record.id);
}

async function undo(parts: LocalParts, { record, pool, place, backend }: Snapshot): Promise<void> {
  try {
    await backend.remove(place, { signal: new AbortController().signal });
    pool.forgetSnapshot(record.id);
  } catch (error) {
    parts.log.warn('what was begun of a snapshot cannot be removed', {
      snapshot: record.id,
      error: errorText(error),
    });
  }
}
