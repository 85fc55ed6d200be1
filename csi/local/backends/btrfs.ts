/**
 * Volumes that are subvolumes of a pool on btrfs, each with a limit; copies share their data with what they were made from. The
 * file system's quotas have to be on: without them nothing would hold a volume to its size.
 *
 * In a place: as of plain directories, see directory.ts.
 */

import {
  createSubvolume,
  destroySubvolume,
  forgetSubvolume,
  hasQuotas,
  isSubvolume,
  limitSubvolume,
  type SubvolumeUsage,
  subvolumeId,
  subvolumeUsage,
} from '../../../shared/sys/btrfs.ts';
import { FS_MAGIC } from '../../../shared/sys/constants.ts';
import { chmod } from '../../../shared/sys/file.ts';
import { removeTree } from '../../../shared/sys/remove-tree.ts';
import { exists, statfs } from '../../../shared/sys/stat.ts';
import type { BackendName, Features, Shape, Usage, Work } from './backend.ts';
import { DirectoryBackend, dataPath, MODE, newDataPath, openDirectory } from './directory.ts';
import { usageOf } from './mounting.ts';
import { findTool, runTool } from './tool.ts';

export class BtrfsBackend extends DirectoryBackend {
  override readonly name: BackendName = 'btrfs';
  override readonly features: Features = {
    block: false,
    enforcesSize: true,
    snapshots: true,
    ownFileSystem: false,
    // Of less, what btrfs needs for its own trees leaves nothing.
    minimum: () => 16 * 1024 * 1024,
  };

  override async check(poolDirectory: string): Promise<string | undefined> {
    if (statfs(poolDirectory).type !== FS_MAGIC.BTRFS) return 'its file system is not btrfs';
    if (!findTool('btrfs')) return 'there is no program btrfs on this node';
    using directory = openDirectory(poolDirectory);
    if (hasQuotas(directory.fd)) return undefined;
    return `its quotas are off, and nothing would be limited: btrfs quota enable ${poolDirectory}`;
  }

  override async create(place: string, { size }: Shape, { signal }: Work): Promise<void> {
    await this.make(place, signal, async () => {
      {
        using parent = openDirectory(place);
        createSubvolume(parent.fd, 'data.new');
      }
      chmod(newDataPath(place), MODE);
      limit(newDataPath(place), size);
    });
  }

  override async copy(
    place: string,
    { size }: Shape,
    source: { readonly place: string; readonly shape: Shape },
    { signal }: Work,
  ): Promise<void> {
    await this.make(place, signal, async () => {
      const paths = [dataPath(source.place), newDataPath(place)];
      // By a program: all that the source holds back is written out first, which may take long.
      await runTool('btrfs', ['subvolume', 'snapshot', ...paths], signal);
      limit(newDataPath(place), size);
    });
  }

  override async expand(place: string, { size }: Shape, _work: Work): Promise<void> {
    limit(dataPath(place), size);
  }

  override async usage(place: string, shape: Shape, target: string): Promise<Usage> {
    const pool = usageOf(target);
    const own = counted(place);
    const total = own?.limit ?? shape.size;
    const used = own?.used ?? 0;
    return {
      totalBytes: total,
      usedBytes: used,
      availableBytes: Math.max(0, Math.min(total - used, pool.availableBytes)),
      totalInodes: pool.totalInodes,
      usedInodes: pool.usedInodes,
      availableInodes: pool.availableInodes,
    };
  }

  override taken(place: string): number {
    return counted(place)?.own ?? 0;
  }

  override async condition(place: string, shape: Shape): Promise<string | undefined> {
    const condition = await super.condition(place, shape);
    if (condition !== undefined) return condition;
    using directory = openDirectory(dataPath(place));
    if (!isSubvolume(directory.fd)) return 'its data is no subvolume';
    return counted(place)?.limit === undefined ? 'it has no limit: quotas were turned off' : undefined;
  }

  protected override async removeData(place: string, name: string, signal: AbortSignal): Promise<void> {
    const path = `${place}/${name}`;
    if (!exists(path)) return;
    const id = idOf(path);
    await removeTree(place, name, {
      signal,
      // Those that a pod made in it have to go first.
      removeWhole: (parent, entry, directory) => isSubvolume(directory) && destroySubvolume(parent, entry),
    });
    using parent = openDirectory(place);
    if (id !== undefined) forgetSubvolume(parent.fd, id);
  }
}

function limit(path: string, size: number): void {
  using directory = openDirectory(path);
  limitSubvolume(directory.fd, subvolumeId(directory.fd), size);
}

function idOf(path: string): bigint | undefined {
  using directory = openDirectory(path);
  return isSubvolume(directory.fd) ? subvolumeId(directory.fd) : undefined;
}

function counted(place: string): SubvolumeUsage | undefined {
  using directory = openDirectory(dataPath(place));
  return subvolumeUsage(directory.fd, subvolumeId(directory.fd));
}
