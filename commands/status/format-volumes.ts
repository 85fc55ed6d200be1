/** What `underpod status` and `underpod status volumes` print of local volumes. Pure. */

import type { VolumeStatus, VolumesStatus } from '../../csi/local/status.ts';
import { age, list, rowsToText } from './words.ts';

/** The driver among the other programs. */
export function formatDriver(status: VolumesStatus, now: number): string {
  const { ready, version, pid, startedAt, node, pools, volumes } = status;
  const problems = volumes.filter(({ problem }) => problem !== undefined);
  return rowsToText([
    [
      'csi local',
      `${ready ? 'ready' : 'NOT READY'}, version ${version}, pid ${pid}, up ${age(startedAt, now)}`,
    ],
    ['node', node],
    ...pools.map((pool): [string, string] => [
      `pool ${pool.name}`,
      `${pool.directory}: ${size(pool.total)}, room for ${size(pool.room)} of new volumes`,
    ]),
    ['volumes', `${volumes.length}, ${volumes.filter(({ attached }) => attached.length > 0).length} in use`],
    ...provisionerRows(status),
    ...problems.map(({ id, problem }): [string, string] => ['problem', `volume ${id}: ${problem}`]),
  ]);
}

function provisionerRows({ provisioner }: VolumesStatus): readonly [string, string][] {
  if (!provisioner) return [['provisioner', 'off: claims are for the sidecars, or nobody']];
  // A release before this one told less.
  const { reachable, problems, claims, volumes, changes = [], snapshots = [] } = provisioner;
  return [
    ['provisioner', reachable ? 'follows the Kubernetes API' : 'waits: the Kubernetes API does not answer'],
    ...problems.map(({ kind, error }): [string, string] => ['problem', `${kind}: ${error}`]),
    ...claims.map(({ claim, why }): [string, string] => ['claim', `${claim} waits: ${why}`]),
    ...changes.map(({ claim, why }): [string, string] => ['claim', `${claim} is not changed: ${why}`]),
    ...volumes.map(({ volume, why }): [string, string] => [
      'problem',
      `volume ${volume} is not deleted: ${why}`,
    ]),
    ...snapshots.map(({ content, why }): [string, string] => ['problem', `snapshot ${content}: ${why}`]),
  ];
}

/** One block a volume. */
export function formatVolumes({ volumes, node }: VolumesStatus): string {
  if (volumes.length === 0) return `there are no volumes on ${node}\n`;
  return volumes.map(formatVolume).join('\n');
}

function formatVolume(volume: VolumeStatus): string {
  const { id, claim, pool, place, backend, size: bytes, used, attached, snapshots, state, problem } = volume;
  return rowsToText([
    ['volume', id],
    ...(claim === undefined ? [] : [['claim', claim] satisfies [string, string]]),
    ['where', `${place} (pool ${pool}, ${backend})`],
    ['size', `${size(bytes)}${inUse(backend, used)}`],
    ['in use at', list(attached, '-')],
    ['snapshots', list(snapshots, '-')],
    ...(state === 'ready' ? [] : [['state', state] satisfies [string, string]]),
    ...(problem === undefined ? [] : [['problem', problem] satisfies [string, string]]),
  ]);
}

/** Of a plain directory only what the whole pool has in use is known. */
function inUse(backend: VolumeStatus['backend'], used: number | undefined): string {
  if (backend === 'directory') return ', no limit';
  return used === undefined ? '' : `, ${size(used)} used`;
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

/** `1.5 GiB`, `512 MiB`. */
function size(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value < 10 && !Number.isInteger(value) ? value.toFixed(1) : Math.round(value)} ${UNITS[unit]}`;
}
