/**
 * Volumes that are plain directories: nothing between a pod and the pool, and no limit. A volume's size is what was asked for and
 * no more than that; what it reports is the pool's. A copy of one in use is made file by file, and is not of one moment.
 *
 * In a place: `data`, the volume; `data.new`, one that is being made.
 */

import { O } from '../../../shared/sys/constants.ts';
import { errnoNumber, isErrno, SyscallError } from '../../../shared/sys/errno.ts';
import { chmod, fsyncDirectory, mkdirp, openFile, rename } from '../../../shared/sys/file.ts';
import { removeTree } from '../../../shared/sys/remove-tree.ts';
import { exists, isDirectory, lstat } from '../../../shared/sys/stat.ts';
import type { Backend, BackendName, Features, MountOptions, Shape, Usage, Work } from './backend.ts';
import { copyDirectory } from './copy-directory.ts';
import { mountDirectory, mountOfDirectory, usageOf } from './mounting.ts';

export const dataPath = (place: string): string => `${place}/data`;
export const newDataPath = (place: string): string => `${place}/data.new`;

/** Of a volume's top: as everybody's, since a pod need not be root, and no group may have been asked for. Only pods get there. */
export const MODE = 0o777;

export class DirectoryBackend implements Backend {
  readonly name: BackendName = 'directory';
  readonly features: Features = {
    block: false,
    enforcesSize: false,
    snapshots: true,
    ownFileSystem: false,
    minimum: () => 4096,
  };

  async check(poolDirectory: string): Promise<string | undefined> {
    return isDirectory(lstat(poolDirectory)) ? undefined : 'it is not a directory';
  }

  async create(place: string, _shape: Shape, { signal }: Work): Promise<void> {
    await this.make(place, signal, async () => beginDirectory(place));
  }

  async copy(
    place: string,
    _shape: Shape,
    source: { readonly place: string; readonly shape: Shape },
    work: Work,
  ): Promise<void> {
    await this.make(place, work.signal, async () => {
      beginDirectory(place);
      await copyDirectory(dataPath(source.place), newDataPath(place), source.shape.size, work);
    });
  }

  async remove(place: string, { signal }: Work): Promise<void> {
    await this.detach(place);
    for (const name of ['data.new', 'data']) await this.removeData(place, name, signal);
    fsyncDirectory(place);
  }

  async expand(_place: string, _shape: Shape, _work: Work): Promise<void> {
    // There is no limit to be raised.
  }

  async mount(place: string, _shape: Shape, target: string, options: MountOptions): Promise<void> {
    mountDirectory(dataPath(place), target, options);
  }

  async attach(place: string, _shape: Shape): Promise<string> {
    throw new SyscallError('attach', errnoNumber('EOPNOTSUPP'), place);
  }

  async growMounted(): Promise<void> {
    // It has no file system of its own.
  }

  async detach(place: string): Promise<void> {
    // There is no device; but what is mounted somewhere is in use, whoever knows of it.
    const target = mountOfDirectory(dataPath(place));
    if (target !== undefined) throw new SyscallError('detach', errnoNumber('EBUSY'), target);
  }

  device(): undefined {
    return undefined;
  }

  async usage(_place: string, _shape: Shape, target: string): Promise<Usage> {
    return usageOf(target);
  }

  taken(_place: string, { size }: Shape): number {
    // Nothing is promised: what it holds is part of what the file system has used.
    return size;
  }

  async condition(place: string, _shape: Shape): Promise<string | undefined> {
    try {
      return isDirectory(lstat(dataPath(place))) ? undefined : 'its data is no directory';
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return 'its directory is missing';
      if (isErrno(error, 'EIO', 'ESTALE', 'EUCLEAN')) return error.message;
      throw error;
    }
  }

  /** Makes a volume, unless there is one: `begin` makes `data.new`, which gets its name when that is done. */
  protected async make(place: string, signal: AbortSignal, begin: () => Promise<void>): Promise<void> {
    if (exists(dataPath(place))) return;
    await this.removeData(place, 'data.new', signal);
    try {
      await begin();
    } catch (error) {
      // Who gave up does not wait for that: the next call removes it.
      if (!signal.aborted) await this.removeData(place, 'data.new', signal);
      throw error;
    }
    rename(newDataPath(place), dataPath(place));
    fsyncDirectory(place);
  }

  /** Removes one of the place's directories, where it is there. */
  protected async removeData(place: string, name: string, signal: AbortSignal): Promise<void> {
    await removeTree(place, name, { signal });
  }
}

/** Makes `data.new` an empty directory for everybody. */
export function beginDirectory(place: string): void {
  mkdirp(newDataPath(place), 0o700);
  chmod(newDataPath(place), MODE);
}

/** Opens a directory of ours, and no link. */
export function openDirectory(path: string): ReturnType<typeof openFile> {
  return openFile(path, O.RDONLY | O.DIRECTORY | O.NOFOLLOW);
}
