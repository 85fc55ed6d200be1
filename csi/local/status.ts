/** What `underpod status volumes` shows. */

import type { ProvisionerStatus } from '../driver/provision/provisioner.ts';
import { conditionOf } from './controller/list.ts';
import { type LocalParts, volumeOf } from './parts.ts';

/** What `/v1/status` on the driver's socket says. */
export interface VolumesStatus {
  readonly program: 'csi-local';
  /** Of underpod. */
  readonly version: string;
  readonly pid: number;
  /** RFC 3339. */
  readonly startedAt: string;
  readonly node: string;
  readonly ready: boolean;
  readonly pools: readonly PoolStatus[];
  readonly volumes: readonly VolumeStatus[];
  /** Absent where the sidecars do that. */
  readonly provisioner?: ProvisionerStatus;
}

export interface PoolStatus {
  readonly name: string;
  readonly directory: string;
  /** Bytes of its file system, free ones of it, and those that a new volume may have. */
  readonly total: number;
  readonly available: number;
  readonly room: number;
}

export interface VolumeStatus {
  readonly id: string;
  readonly pool: string;
  readonly place: string;
  readonly backend: string;
  readonly size: number;
  /** Bytes in use, where it is mounted. */
  readonly used?: number;
  /** Paths. */
  readonly attached: readonly string[];
  /** Their ids. */
  readonly snapshots: readonly string[];
  readonly claim?: string;
  readonly state: string;
  /** What is wrong with it. */
  readonly problem?: string;
}

/** Which run of the program this is. */
export type Run = Pick<VolumesStatus, 'version' | 'pid' | 'startedAt'>;

export async function volumesStatus(
  parts: LocalParts,
  run: Run,
  provisioner?: ProvisionerStatus,
): Promise<VolumesStatus> {
  const pools = [...parts.pools.values()];
  const volumes = pools.flatMap((pool) =>
    [...pool.volumes.values()].map(async (record): Promise<VolumeStatus> => {
      const attached = parts.uses.places(record.id);
      const [at] = attached;
      const isReady = record.state === 'ready';
      const { place, backend } = isReady
        ? volumeOf(parts, record.id)
        : { place: pool.volumePlace(record.id), backend: undefined };
      const condition = conditionOf(await backend?.condition(place, record), backend);
      const used =
        backend && at !== undefined && record.access === 'mount'
          ? await backend.usage(place, record, at).then(
              (usage) => usage.usedBytes,
              () => undefined,
            )
          : undefined;
      return {
        id: record.id,
        pool: pool.name,
        place,
        backend: record.backend,
        size: record.size,
        attached,
        snapshots: [...pool.snapshots.values()]
          .filter(({ source }) => source === record.id)
          .map(({ id }) => id),
        state: record.state,
        ...(used !== undefined && { used }),
        ...(record.claim !== undefined && { claim: record.claim }),
        ...(condition.abnormal && { problem: condition.message }),
      };
    }),
  );
  return {
    program: 'csi-local',
    ...run,
    node: parts.node,
    ready: true,
    ...(provisioner && { provisioner }),
    pools: pools.map((pool) => ({
      name: pool.name,
      directory: pool.directory,
      ...pool.space(),
      room: pool.room(),
    })),
    volumes: await Promise.all(volumes),
  };
}
