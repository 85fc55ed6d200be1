/** CreateVolume: an empty volume, or one with the data of a snapshot or another volume. */

import type { CreateVolumeRequest, CreateVolumeResponse } from '#messages/csi';
import type { Init } from '../../../shared/grpc/wire/schema.ts';
import { errorText } from '../../../shared/log/format.ts';
import { isErrno } from '../../../shared/sys/errno.ts';
import {
  alreadyExists,
  failedPrecondition,
  invalidArgument,
  resourceExhausted,
} from '../../driver/status.ts';
import type { Shape } from '../backends/backend.ts';
import { idOf } from '../ids.ts';
import { mergeIoLimits, parseIoLimits } from '../io-limits.ts';
import { parseParameters } from '../parameters.ts';
import { backendOf, findVolume, type LocalParts, snapshotOf, type Volume, volumeOf } from '../parts.ts';
import type { Pool } from '../pool/pool.ts';
import type { Origin, VolumeRecord } from '../record.ts';
import { isWithin, sizeFor } from '../sizes.ts';
import { accessFor } from './access.ts';
import { volumeMessage } from './messages.ts';
import { isHere } from './topology.ts';

export async function createVolume(
  parts: LocalParts,
  request: CreateVolumeRequest,
  signal: AbortSignal,
): Promise<Init<CreateVolumeResponse>> {
  const wanted = planVolume(parts, request);
  const known = findVolume(parts, wanted.record.id);
  if (known) checkSame(known.record, wanted.record, request);
  // Made there, it would be there twice: the one that was begun would be nobody's.
  if (known && known.pool !== wanted.pool)
    throw alreadyExists(`volume ${known.record.id}`, `it is in pool ${known.pool.name}`);
  const record = known?.record.state === 'ready' ? known.record : await make(parts, wanted, signal);
  return { volume: volumeMessage(record, parts.node) };
}

/** A volume that is to be, with what it is made from. */
export interface Plan {
  readonly pool: Pool;
  readonly record: VolumeRecord;
  readonly source?: { readonly place: string; readonly shape: Shape };
}

/** Everything that can be said against a request without touching the disk. @throws RpcError */
export function planVolume(parts: LocalParts, request: CreateVolumeRequest): Plan {
  const parameters = parseParameters(request.parameters);
  const pool = poolOf(parts, parameters.pool);
  const source = sourceOf(parts, request);
  const backend = backendOf(parts, parameters.backend);
  const { access, fsType } = accessFor(request.volumeCapabilities, backend, source?.shape, parameters.fsType);
  const limits = mergeIoLimits({}, parseIoLimits(request.mutableParameters));
  if (Object.keys(limits).length > 0 && backend.name !== 'loop')
    throw invalidArgument('mutable_parameters', `a volume of backend ${backend.name} has no device to limit`);
  if (!isHere(request.accessibilityRequirements, parts.node))
    throw resourceExhausted(
      `none of the nodes that are asked for is ${parts.node}, where this driver keeps volumes`,
    );
  if (source && source.backend !== backend.name)
    throw invalidArgument(
      'volume_content_source',
      `is of backend ${source.backend}, and the volume is to be of ${backend.name}`,
    );
  const minimum = Math.max(backend.features.minimum({ access, fsType }), source?.shape.size ?? 0);
  return {
    pool,
    record: {
      id: idOf(request.name),
      name: request.name,
      state: 'making',
      backend: backend.name,
      size: sizeFor(request.capacityRange, minimum),
      thin: parameters.thin,
      access,
      fsType,
      created: parts.now(),
      limits,
      ...(source && { origin: source.origin }),
      ...(parameters.claim !== undefined && { claim: parameters.claim }),
    },
    ...(source && { source }),
  };
}

/** @throws RpcError INVALID_ARGUMENT */
export function poolOf({ pools }: LocalParts, name: string | undefined): Pool {
  const pool = name === undefined ? pools.values().next().value : pools.get(name);
  if (!pool)
    throw invalidArgument(
      'parameters',
      `there is no pool "${name}" on this node; there are ${[...pools.keys()].join(', ')}`,
    );
  return pool;
}

interface Source {
  readonly place: string;
  readonly shape: Shape;
  readonly backend: string;
  readonly origin: Origin;
}

/** @throws RpcError NOT_FOUND */
function sourceOf(parts: LocalParts, { volumeContentSource }: CreateVolumeRequest): Source | undefined {
  const { snapshot, volume } = volumeContentSource ?? {};
  if (snapshot) {
    const { place, record } = snapshotOf(parts, snapshot.snapshotId);
    return { place, shape: record, backend: record.backend, origin: { type: 'snapshot', id: record.id } };
  }
  if (!volume) return undefined;
  const { place, record } = volumeOf(parts, volume.volumeId);
  return { place, shape: record, backend: record.backend, origin: { type: 'volume', id: record.id } };
}

/** @throws RpcError ALREADY_EXISTS where the name is taken by another kind of volume */
function checkSame(known: VolumeRecord, wanted: VolumeRecord, { capacityRange }: CreateVolumeRequest): void {
  const what = `volume ${known.id}`;
  if (known.state === 'removing') throw failedPrecondition(`${what} is being deleted`);
  if (known.name !== wanted.name) throw alreadyExists(what, `its name is ${JSON.stringify(known.name)}`);
  if (!isWithin(known.size, capacityRange)) throw alreadyExists(what, `it has ${known.size} bytes`);
  for (const key of ['backend', 'access', 'fsType', 'thin'] as const)
    if (known[key] !== wanted[key]) throw alreadyExists(what, `its ${key} is ${known[key]}`);
  if (known.origin?.type !== wanted.origin?.type || known.origin?.id !== wanted.origin?.id)
    throw alreadyExists(what, 'it was made from something else');
}

/** Makes it, or goes on with making it. @throws RpcError RESOURCE_EXHAUSTED, and then nothing is left of it */
export async function make(
  parts: LocalParts,
  { pool, record, source }: Plan,
  signal: AbortSignal,
): Promise<VolumeRecord> {
  const known = pool.volumes.get(record.id);
  const making = known ?? record;
  const backend = backendOf(parts, making.backend);
  if (!known) {
    const trouble = await backend.check(pool.directory);
    if (trouble !== undefined)
      throw failedPrecondition(`backend ${backend.name} does not work in pool ${pool.name}: ${trouble}`);
    // Nothing waits between the look and the promise: another call cannot come between them.
    const room = pool.room();
    if (making.size > room)
      throw resourceExhausted(`pool ${pool.name} has room for ${room} bytes, not for ${making.size}`);
    pool.keepVolume(making);
  }
  const place = pool.volumePlace(making.id);
  await parts.jobs.run(`volume ${making.id}`, signal, async (stop) => {
    try {
      const work = { signal: stop, progress: progressOf(parts, making.id) };
      if (source) await backend.copy(place, making, source, work);
      else await backend.create(place, making, work);
      pool.keepVolume({ ...making, state: 'ready' });
    } catch (error) {
      if (isErrno(error, 'ENOSPC', 'EDQUOT')) await undo(parts, { record: making, pool, place, backend });
      throw error;
    }
  });
  return pool.volumes.get(making.id) ?? making;
}

/** A volume for which there was no room takes none: another node is asked next. */
async function undo(parts: LocalParts, { record, pool, place, backend }: Volume): Promise<void> {
  try {
    await backend.remove(place, { signal: new AbortController().signal });
    pool.forgetVolume(record.id);
  } catch (error) {
    parts.log.warn('what was begun of a volume cannot be removed', {
      volume: record.id,
      error: errorText(error),
    });
  }
}

/** Every ten percent of a copy is told. */
function progressOf({ log }: LocalParts, volume: string): (done: number, total: number) => void {
  let told = 0;
  return (done, total) => {
    const tenths = Math.floor((done / total) * 10);
    if (tenths <= told) return;
    told = tenths;
    log.info('copying', { volume, percent: tenths * 10, bytes: done });
  };
}
