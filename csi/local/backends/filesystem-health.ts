/** Whether a volume's file system is well, and its repair before it is mounted. */

import { O } from '../../../shared/sys/constants.ts';
import { openFile, readTextIfExists } from '../../../shared/sys/file.ts';
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

/** What is wrong, for people. @param path of the device, or the image where there is none */
export async function conditionOf(path: string, type: FsType): Promise<string | undefined> {
  const mount = readMounts().find(({ source }) => source === path);
  const down = mount?.superOptions.find((option) => option === 'shutdown' || option === 'emergency_ro');
  if (down) return `its file system was shut down after an error (${down})`;
  if (type !== 'ext4') return undefined;
  const name = path.slice(path.lastIndexOf('/') + 1);
  const errors = mount ? Number(readTextIfExists(`/sys/fs/ext4/${name}/errors_count`) ?? '0') : 0;
  if (errors > 0)
    return `its file system has met with ${errors} errors: run e2fsck on ${path} while it is unused`;
  const state = await stateOf(path);
  if (state === 'none') return 'its image holds no ext4';
  return state === 'errors'
    ? 'errors were found in its file system, which is checked when it is next mounted'
    : undefined;
}

async function stateOf(path: string): Promise<ReturnType<typeof ext4State>> {
  using file = openFile(path, O.RDONLY);
  return ext4State(await readAt(file.fd, new Uint8Array(SUPERBLOCK.length), SUPERBLOCK.offset));
}
