/**
 * Volumes that are directories with a project quota, on XFS or ext4: as fast as plain ones, and limited. Whoever owns a file can
 * give it another project's number, and a process with CAP_SYS_RESOURCE passes ext4's limits: this holds pods to their size that
 * mean well.
 *
 * In a place: as of plain directories (directory.ts), and `project`, the number, which in the directory itself a pod could change.
 * The kernel knows which numbers are taken: those of which files are.
 */

import { FS_MAGIC } from '../../../shared/sys/constants.ts';
import { SyscallError } from '../../../shared/sys/errno.ts';
import { readTextIfExists, unlinkIfExists, writeFileAtomic } from '../../../shared/sys/file.ts';
import {
  enforcesProjects,
  limitProject,
  projectOf,
  projectUsage,
  setProject,
} from '../../../shared/sys/project-quota.ts';
import { exists, statfs } from '../../../shared/sys/stat.ts';
import type { BackendName, Features, Shape, Work } from './backend.ts';
import { copyDirectory } from './copy-directory.ts';
import { beginDirectory, DirectoryBackend, dataPath, newDataPath, openDirectory } from './directory.ts';
import { projectCandidate } from './project-id.ts';

const projectPath = (place: string): string => `${place}/project`;

export class QuotaBackend extends DirectoryBackend {
  override readonly name: BackendName = 'quota';
  override readonly features: Features = {
    block: false,
    enforcesSize: true,
    snapshots: true,
    ownFileSystem: false,
    minimum: () => 1024 * 1024,
  };

  override async check(poolDirectory: string): Promise<string | undefined> {
    const { type } = statfs(poolDirectory);
    if (type !== FS_MAGIC.XFS && type !== FS_MAGIC.EXT4) return 'its file system is neither XFS nor ext4';
    using directory = openDirectory(poolDirectory);
    try {
      if (enforcesProjects(directory.fd, poolDirectory)) return undefined;
      return 'its project quotas are not enforced: mount it with prjquota';
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      // What a kernel without them says is what it says of a mount without them.
      return `it has no project quotas (${error.code}): they need a kernel that has them, and a mount with prjquota`;
    }
  }

  override async create(place: string, { size }: Shape, { signal }: Work): Promise<void> {
    await this.make(place, signal, async () => this.beginLimited(place, size));
  }

  override async copy(
    place: string,
    { size }: Shape,
    source: { readonly place: string; readonly shape: Shape },
    work: Work,
  ): Promise<void> {
    await this.make(place, work.signal, async () => {
      this.beginLimited(place, size);
      await copyDirectory(dataPath(source.place), newDataPath(place), source.shape.size, work);
    });
  }

  override async expand(place: string, { size }: Shape, _work: Work): Promise<void> {
    const id = recorded(place);
    if (id === undefined) throw new Error(`${projectPath(place)} is missing: its number is not known`);
    using directory = openDirectory(place);
    limitProject(directory.fd, place, id, size);
  }

  override async remove(place: string, work: Work): Promise<void> {
    const id = recorded(place);
    await super.remove(place, work);
    if (id !== undefined) {
      using directory = openDirectory(place);
      limitProject(directory.fd, place, id, 0);
    }
    // Last: as long as the limit is there, it says whose it is.
    unlinkIfExists(projectPath(place));
  }

  override taken(place: string): number {
    const id = recorded(place);
    if (id === undefined) return 0;
    using directory = openDirectory(place);
    return projectUsage(directory.fd, place, id).usedBytes;
  }

  override async condition(place: string, shape: Shape): Promise<string | undefined> {
    const condition = await super.condition(place, shape);
    if (condition !== undefined) return condition;
    const id = recorded(place);
    if (id === undefined) return 'its project number is not known';
    using directory = openDirectory(place);
    const { limitBytes } = projectUsage(directory.fd, place, id);
    return limitBytes > 0 ? undefined : 'it has no limit: quotas were turned off';
  }

  /** What was begun and never had its name gives its limit back: no pod has ever been in it. */
  protected override async removeData(place: string, name: string, signal: AbortSignal): Promise<void> {
    const begun = name === 'data.new' && exists(newDataPath(place)) ? begunProject(place) : 0;
    // Once its files are gone the number is anybody's.
    if (begun !== 0 && !exists(dataPath(place))) unlinkIfExists(projectPath(place));
    await super.removeData(place, name, signal);
    if (begun === 0) return;
    using directory = openDirectory(place);
    limitProject(directory.fd, place, begun, 0);
  }

  /** Makes `data.new` with its number and limit. All in one turn of the event loop: nobody else chooses meanwhile. */
  protected beginLimited(place: string, size: number): void {
    beginDirectory(place);
    using directory = openDirectory(newDataPath(place));
    const id = freeProject(place, (candidate) => {
      const { usedInodes } = projectUsage(directory.fd, newDataPath(place), candidate);
      return usedInodes === 0;
    });
    // From here on the number is taken: the directory itself counts.
    setProject(directory.fd, id, newDataPath(place));
    limitProject(directory.fd, newDataPath(place), id, size);
    writeFileAtomic(projectPath(place), `${id}\n`, { mode: 0o600 });
  }
}

/** How many numbers are tried: with a thousand volumes of a billion numbers, the second is hardly ever needed. */
const ATTEMPTS = 100;

/** The first of a place's candidates that is free. Exported for its test. */
export function freeProject(place: string, isFree: (id: number) => boolean): number {
  const name = place.slice(place.lastIndexOf('/') + 1);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const id = projectCandidate(name, attempt);
    if (isFree(id)) return id;
  }
  throw new Error(`no project number is free for ${place} after ${ATTEMPTS} attempts`);
}

function recorded(place: string): number | undefined {
  const text = readTextIfExists(projectPath(place))?.trim();
  return text !== undefined && /^\d{1,10}$/.test(text) ? Number(text) : undefined;
}

function begunProject(place: string): number {
  using directory = openDirectory(newDataPath(place));
  return projectOf(directory.fd, newDataPath(place));
}
