/** Puts together what the driver works with, from what is on the disk and in the kernel. */

import type { Logger } from '../../shared/log/logger.ts';
import { isErrno } from '../../shared/sys/errno.ts';
import { mkdirp } from '../../shared/sys/file.ts';
import { thawAt } from '../../shared/sys/freeze.ts';
import { stat } from '../../shared/sys/stat.ts';
import type { Backend, BackendName } from './backends/backend.ts';
import { backends } from './backends/registry.ts';
import { Jobs } from './jobs.ts';
import { isMountPoint } from './node/mounts.ts';
import { UseRecords } from './node/use-records.ts';
import type { LocalOptions } from './options.ts';
import type { LocalParts } from './parts.ts';
import type { Claim } from './pool/capacity.ts';
import { Pool, type PoolOptions } from './pool/pool.ts';
import { takenBy } from './pool/taken.ts';

/** @throws SyscallError where a pool or the state cannot be read */
export async function openParts(
  options: Pick<LocalOptions, 'pools' | 'reserve' | 'node' | 'stateDir'>,
  log: Logger,
): Promise<LocalParts> {
  const known = new Map<BackendName, Backend>(backends().map((backend) => [backend.name, backend]));
  const taken: PoolOptions['taken'] = (place, record) => {
    const backend = known.get(record.backend);
    return backend ? takenBy(place, record, backend) : 0;
  };
  const pools = new Map<string, Pool>();
  for (const [name, directory] of options.pools) {
    mkdirp(directory, 0o700);
    const onTrouble = (path: string, why: string): void => log.warn('left alone in a pool', { path, why });
    const others = (): Iterable<Claim> => claimsBeside(directory, pools);
    pools.set(name, Pool.open({ name, directory, reserve: options.reserve, taken, others, onTrouble }));
  }
  const attached = (id: string): boolean => {
    for (const pool of pools.values()) {
      const record = pool.volumes.get(id);
      if (record?.access === 'block')
        return known.get(record.backend)?.device(pool.volumePlace(id)) !== undefined;
    }
    return false;
  };
  const uses = UseRecords.open(`${options.stateDir}/uses`, (id, path) => isMountPoint(path) || attached(id));
  const records = new Map([...pools.values()].flatMap((pool) => [...pool.volumes]));
  // What is shared with others may be frozen by them, and is theirs to thaw.
  const own = (id: string): boolean => {
    const record = records.get(id);
    return record !== undefined && known.get(record.backend)?.features.ownFileSystem === true;
  };
  thawLeftovers(uses, own, log);
  return { node: options.node, pools, backends: known, uses, jobs: new Jobs(), log, now: Date.now };
}

/** What the other pools on a pool's file system have promised: its room is there once. */
function* claimsBeside(directory: string, pools: ReadonlyMap<string, Pool>): Generator<Claim> {
  const { dev } = stat(directory);
  for (const pool of pools.values())
    if (pool.directory !== directory && stat(pool.directory).dev === dev) yield* pool.claims();
}

/** A snapshot that was cut off, with the child that held it, may have left a file system frozen: its pod waits for ever. */
function thawLeftovers(uses: UseRecords, own: (id: string) => boolean, log: Logger): void {
  for (const [volume, { staged }] of uses.all()) {
    if (!staged || !own(volume) || !isMountPoint(staged.path)) continue;
    try {
      if (thawAt(staged.path))
        log.warn('a volume was still frozen, for a snapshot that was cut off', { volume });
    } catch (error) {
      // What has no freezing is not frozen.
      if (!isErrno(error, 'EOPNOTSUPP', 'EINVAL', 'ENOTTY'))
        log.warn('a volume cannot be looked at', { volume, error });
    }
  }
}
