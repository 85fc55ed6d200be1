/** What the calls of the local driver work with, and what they look up in it. */

import type { Logger } from '../../shared/log/logger.ts';
import { notFound } from '../driver/status.ts';
import type { Backend, BackendName } from './backends/backend.ts';
import type { Jobs } from './jobs.ts';
import type { UseRecords } from './node/use-records.ts';
import type { Pool } from './pool/pool.ts';
import type { SnapshotRecord, VolumeRecord } from './record.ts';

export interface LocalParts {
  readonly node: string;
  /** By name; the first is the default. */
  readonly pools: ReadonlyMap<string, Pool>;
  readonly backends: ReadonlyMap<BackendName, Backend>;
  readonly uses: UseRecords;
  readonly jobs: Jobs;
  readonly log: Logger;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** A volume with where it is and what knows how to treat it. */
export interface Volume {
  readonly record: VolumeRecord;
  readonly pool: Pool;
  readonly place: string;
  readonly backend: Backend;
}

export interface Snapshot {
  readonly record: SnapshotRecord;
  readonly pool: Pool;
  readonly place: string;
  readonly backend: Backend;
}

export function findVolume(parts: LocalParts, id: string): Volume | undefined {
  for (const pool of parts.pools.values()) {
    const record = pool.volumes.get(id);
    if (record)
      return { record, pool, place: pool.volumePlace(id), backend: backendOf(parts, record.backend) };
  }
  return undefined;
}

/** A volume that can be used. @throws RpcError NOT_FOUND for one that is not there, or not whole */
export function volumeOf(parts: LocalParts, id: string): Volume {
  const volume = findVolume(parts, id);
  if (volume?.record.state !== 'ready') throw notFound(`volume ${id}`);
  return volume;
}

export function findSnapshot(parts: LocalParts, id: string): Snapshot | undefined {
  for (const pool of parts.pools.values()) {
    const record = pool.snapshots.get(id);
    if (record)
      return { record, pool, place: pool.snapshotPlace(id), backend: backendOf(parts, record.backend) };
  }
  return undefined;
}

/** @throws RpcError NOT_FOUND */
export function snapshotOf(parts: LocalParts, id: string): Snapshot {
  const snapshot = findSnapshot(parts, id);
  if (snapshot?.record.state !== 'ready') throw notFound(`snapshot ${id}`);
  return snapshot;
}

/** Every volume that is whole, by id. */
export function allVolumes({ pools }: LocalParts): readonly VolumeRecord[] {
  const records = [...pools.values()].flatMap((pool) => [...pool.volumes.values()]);
  return records.filter(({ state }) => state === 'ready').sort(byId);
}

/** Every snapshot that is whole, by id. */
export function allSnapshots({ pools }: LocalParts): readonly SnapshotRecord[] {
  const records = [...pools.values()].flatMap((pool) => [...pool.snapshots.values()]);
  return records.filter(({ state }) => state === 'ready').sort(byId);
}

export function backendOf({ backends }: LocalParts, name: BackendName): Backend {
  const backend = backends.get(name);
  if (!backend) throw new Error(`there is no backend ${name}`);
  return backend;
}

function byId(a: { readonly id: string }, b: { readonly id: string }): number {
  return a.id < b.id ? -1 : 1;
}
