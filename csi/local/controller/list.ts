/** ListVolumes, ListSnapshots and what asks for one of them. */

import type {
  ControllerGetVolumeRequest,
  ControllerGetVolumeResponse,
  GetSnapshotRequest,
  GetSnapshotResponse,
  ListSnapshotsRequest,
  ListSnapshotsResponse,
  ListVolumesRequest,
  ListVolumesResponse,
  VolumeStatus,
} from '#messages/csi';
import type { Init } from '../../../shared/grpc/wire/schema.ts';
import { pageOf } from '../../driver/paging.ts';
import type { Backend } from '../backends/backend.ts';
import {
  allSnapshots,
  allVolumes,
  findSnapshot,
  type LocalParts,
  snapshotOf,
  type Volume,
  volumeOf,
} from '../parts.ts';
import { snapshotMessage, volumeMessage } from './messages.ts';

export async function listVolumes(
  parts: LocalParts,
  { maxEntries, startingToken }: ListVolumesRequest,
): Promise<Init<ListVolumesResponse>> {
  const { items, nextToken } = pageOf(allVolumes(parts), ({ id }) => id, maxEntries, startingToken);
  const entries = items.map(async (record) => ({
    volume: volumeMessage(record, parts.node),
    status: await statusOf(parts, volumeOf(parts, record.id)),
  }));
  return { entries: await Promise.all(entries), nextToken };
}

export async function controllerGetVolume(
  parts: LocalParts,
  { volumeId }: ControllerGetVolumeRequest,
): Promise<Init<ControllerGetVolumeResponse>> {
  const volume = volumeOf(parts, volumeId);
  return { volume: volumeMessage(volume.record, parts.node), status: await statusOf(parts, volume) };
}

/** @throws RpcError ABORTED for a token that no list gave */
export async function listSnapshots(
  parts: LocalParts,
  { maxEntries, startingToken, snapshotId, sourceVolumeId }: ListSnapshotsRequest,
): Promise<Init<ListSnapshotsResponse>> {
  const one = snapshotId === '' ? undefined : findSnapshot(parts, snapshotId)?.record;
  const all = snapshotId === '' ? allSnapshots(parts) : one?.state === 'ready' ? [one] : [];
  const wanted = sourceVolumeId === '' ? all : all.filter(({ source }) => source === sourceVolumeId);
  const { items, nextToken } = pageOf(wanted, ({ id }) => id, maxEntries, startingToken);
  return { entries: items.map((record) => ({ snapshot: snapshotMessage(record) })), nextToken };
}

export async function getSnapshot(
  parts: LocalParts,
  { snapshotId }: GetSnapshotRequest,
): Promise<Init<GetSnapshotResponse>> {
  return { snapshot: snapshotMessage(snapshotOf(parts, snapshotId).record) };
}

async function statusOf(parts: LocalParts, { record, place, backend }: Volume): Promise<Init<VolumeStatus>> {
  return {
    publishedNodeIds: parts.uses.isUsed(record.id) ? [parts.node] : [],
    volumeCondition: conditionOf(await backend.condition(place, record), backend),
  };
}

/** @param problem what is wrong, for people */
export function conditionOf(
  problem: string | undefined,
  backend: Pick<Backend, 'features'> | undefined,
): { abnormal: boolean; message: string } {
  const well = backend?.features.enforcesSize === false ? 'in order; its size is no limit' : 'in order';
  return { abnormal: problem !== undefined, message: problem ?? well };
}
