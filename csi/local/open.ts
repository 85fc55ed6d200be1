/** Puts together what the driver works with, from what is on the disk and in the kernel. */

import type { Logger } from '../../shared/log/logger.ts';
import { isErrno } from '../../shared/sys/errno.ts';
import { mkdirp } from '../../shared/sys/file.ts';
import { thawAt } from '../../shared/sys/freeze.ts';
import type { Backend, BackendName } from './backends/backend.ts';
import { backends } from './backends/registry.ts';
import { Jobs } from './jobs.ts';
import { isMountPoint } from './node/mounts.ts';
import { UseRecords } from './node/use-records.ts';
import type { LocalOptions } from './options.ts';
import type { LocalParts } from './parts.ts';
import { Pool } from './pool/pool.ts';
import { takenBy } from './pool/taken.ts';

/** @throws SyscallError where a pool or the state cannot be read */
export async function openParts(
  options: Pick<LocalOptions, 'pools' | 'reserve' | 'node' | 'stateDir'>,
  log: Logger,
): Promise<LocalParts> {
  const pools = new Map<string, Pool>();
  for (const [name, directory] of options.pools) {
    mkdirp(directory, 0o700);
    const onTrouble = (path: string, why: string): void => log.warn('left alone in a pool', { path, why });
    pools.set(name, Pool.open({ name, directory, reserve: options.reserve, taken: takenBy, onTrouble }));
  }
  const known = new Map<BackendName, Backend>(backends().map((backend) => [backend.name, backend]));
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
