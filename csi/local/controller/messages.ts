/** Records as the protocol tells them. Pure. */

import type { Snapshot, Volume } from '#messages/csi';
import type { Init } from '../../../shared/grpc/wire/schema.ts';
import type { SnapshotRecord, VolumeRecord } from '../record.ts';
import { TOPOLOGY_KEY } from '../topology-key.ts';

export function volumeMessage({ id, size, origin }: VolumeRecord, node: string): Init<Volume> {
  return {
    volumeId: id,
    capacityBytes: BigInt(size),
    accessibleTopology: [{ segments: { [TOPOLOGY_KEY]: node } }],
    ...(origin && {
      contentSource:
        origin.type === 'volume'
          ? { volume: { volumeId: origin.id } }
          : { snapshot: { snapshotId: origin.id } },
    }),
  };
}

export function snapshotMessage({ id, size, source, created, state, group }: SnapshotRecord): Init<Snapshot> {
  return {
    snapshotId: id,
    sourceVolumeId: source,
    sizeBytes: BigInt(size),
    creationTime: timestamp(created),
    readyToUse: state === 'ready',
    ...(group !== undefined && { groupSnapshotId: group }),
  };
}

/** @param ms since the epoch */
export function timestamp(ms: number): { seconds: bigint; nanos: number } {
  return { seconds: BigInt(Math.floor(ms / 1000)), nanos: (ms % 1000) * 1e6 };
}
