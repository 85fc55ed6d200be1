/** Whether a volume's file system is well, and its repair before it is mounted. */

import { O } from '../../../shared/sys/constants.ts';
import { openFile, readTextIfExists } from '../../../shared/sys/file.ts';
import type { MountEntry } from '../../../shared/sys/mountinfo.ts';
import { readMounts } from '../../../shared/sys/mounts.ts';
import type { FsType } from './backend.ts';
import { MENDED } from './filesystem.ts';
import { readAt } from './off-loop.ts';
import { ext4State, SUPERBLOCK } from './superblock.ts';
import { runTool } from './tool.ts';

/**
 * Mends what can be mended without a question, where the file system says that it needs it. XFS and btrfs mend themselves when
 * they are mounted, or not at all.
 *
 * @throws ToolError where a person has to look at it
 */
export async function checkFilesystem(device: string, type: FsType, signal: AbortSignal): Promise<void> {
  if (type !== 'ext4') return;
  const state = await stateOf(device);
  if (state === 'clean' || readMounts().some(({ source }) => source === device)) return;
  await runTool('e2fsck', ['-p', device], signal, MENDED);
}

/** What is wrong with the file system that is mounted from a device, for people; undefined where none is, or it is well. */
export function conditionOf(device: string, type: FsType): string | undefined {
  const mount = mountsBySource().get(device);
  if (!mount) return undefined;
  const down = mount.superOptions.find((option) => option === 'shutdown' || option === 'emergency_ro');
  if (down) return `its file system was shut down after an error (${down})`;
  if (type !== 'ext4') return undefined;
  const name = device.slice(device.lastIndexOf('/') + 1);
  const errors = Number(readTextIfExists(`/sys/fs/ext4/${name}/errors_count`) ?? '0');
  return errors > 0
    ? `errors were found in its file system, ${errors}: it is checked when it is next mounted`
    : undefined;
}

let mounts: ReadonlyMap<string, MountEntry> | undefined;

/** Read once for all that is asked in one turn of the event loop: a list asks for a thousand volumes. */
function mountsBySource(): ReadonlyMap<string, MountEntry> {
  if (mounts) return mounts;
  setImmediate(() => {
    mounts = undefined;
  });
  mounts = new Map(readMounts().map((mount) => [mount.source, mount]));
  return mounts;
}

async function stateOf(path: string): Promise<ReturnType<typeof ext4State>> {
  using file = openFile(path, O.RDONLY);
  return ext4State(await readAt(file.fd, new Uint8Array(SUPERBLOCK.length), SUPERBLOCK.offset));
}
