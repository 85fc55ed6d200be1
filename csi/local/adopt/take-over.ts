/** The driver's part of taking a directory over: it is moved into the pool, and has a record from then on. */

import { isErrno } from '../../../shared/sys/errno.ts';
import { fsyncDirectory, rename } from '../../../shared/sys/file.ts';
import { exists, isDirectory, lstat, stat } from '../../../shared/sys/stat.ts';
import { alreadyExists, failedPrecondition, notFound } from '../../driver/status.ts';
import { dataPath } from '../backends/directory.ts';
import { poolOf } from '../controller/create-volume.ts';
import { isMountPoint } from '../node/mounts.ts';
import { findVolume, type LocalParts } from '../parts.ts';
import type { Pool } from '../pool/pool.ts';
import type { VolumeRecord } from '../record.ts';

export interface TakeOver {
  readonly id: string;
  readonly path: string;
  readonly size: number;
  readonly pool?: string;
  /** `namespace/name` */
  readonly claim?: string;
}

/** Does it, or ends what was cut off. @returns where the data is now @throws RpcError that says what is in the way */
export function takeOver(parts: LocalParts, { id, path, size, pool: name, claim }: TakeOver): string {
  const known = findVolume(parts, id);
  if (known && known.record.adopted !== path)
    throw alreadyExists(
      `volume ${id}`,
      known.record.adopted ? `it was taken over from ${known.record.adopted}` : 'it was made here',
    );
  const pool = known?.pool ?? poolOf(parts, name);
  const place = pool.volumePlace(id);
  if (known?.record.state === 'ready') return dataPath(place);
  // Moved before the driver was killed.
  const isMoved = known !== undefined && exists(dataPath(place)) && !exists(path);
  if (!isMoved) checkDirectory(path, pool);
  const record: VolumeRecord = {
    id,
    name: id,
    state: 'making',
    backend: 'directory',
    size,
    thin: true,
    access: 'mount',
    fsType: 'ext4',
    created: parts.now(),
    limits: {},
    adopted: path,
    ...(claim !== undefined && { claim }),
  };
  pool.keepVolume(record);
  if (!isMoved) moveOrForget(path, dataPath(place), pool, id);
  fsyncDirectory(place);
  pool.keepVolume({ ...record, state: 'ready' });
  return dataPath(place);
}

function checkDirectory(path: string, pool: Pool): void {
  if (!exists(path)) throw notFound(`directory ${path}`);
  if (!isDirectory(lstat(path))) throw failedPrecondition(`${path} is no directory`);
  if (isMountPoint(path))
    throw failedPrecondition(`${path} is a mount of its own: it cannot be moved into a pool`);
  if (lstat(path).dev !== stat(pool.directory).dev)
    throw failedPrecondition(
      `${path} is on another file system than pool ${pool.name} (${pool.directory}): start the driver with a --pool on that one, and name it`,
    );
}

/** What could not be moved is promised no room. */
function moveOrForget(from: string, to: string, pool: Pool, id: string): void {
  try {
    move(from, to, pool);
  } catch (error) {
    if (!exists(to)) pool.forgetVolume(id);
    throw error;
  }
}

function move(from: string, to: string, pool: Pool): void {
  try {
    rename(from, to);
  } catch (error) {
    if (!isErrno(error, 'EXDEV', 'EBUSY')) throw error;
    const why =
      error.code === 'EXDEV' ? 'they are on different mounts, as two hostPaths of a pod are' : error.message;
    throw failedPrecondition(
      `${from} cannot be moved into pool ${pool.name}: ${why}; start the driver with a --pool below the same mount, and name it`,
    );
  }
}
