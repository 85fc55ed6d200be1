/** The loop device of a volume's image. */

import { isErrno } from '../../../shared/sys/errno.ts';
import { attachLoop, keepLoop, type LoopDevice, loopAt, loopOf } from '../../../shared/sys/loop.ts';
import { readMounts } from '../../../shared/sys/mounts.ts';
import { type FileStat, lstat } from '../../../shared/sys/stat.ts';
import type { Shape } from './backend.ts';
import { imagePath } from './image.ts';

/** Of file systems, whose blocks have that size (filesystem.ts). */
const BLOCK = 4096;

/** Where a place's device was when it was last looked for, so that not all of the machine's are asked each time. */
const lastKnown = new Map<string, string>();

/** The device that has the place's image behind it. */
export function deviceOfImage(place: string): LoopDevice | undefined {
  const image = statIfThere(imagePath(place));
  const known = lastKnown.get(place);
  const device = image && ((known && sameImage(loopAt(known), image)) || loopOf(image));
  if (device) lastKnown.set(place, device.path);
  else lastKnown.delete(place);
  return device;
}

/** The device, attached where it is not yet. @throws SyscallError ENOENT where there is no image */
export function attachImage(place: string, access: Shape['access']): string {
  const found = deviceOfImage(place);
  // One that was let go while somebody still had it open would go with him.
  if (found && keepLoop(found)) return found.path;
  const path = attachLoop(imagePath(place), { blockSize: access === 'mount' ? BLOCK : 0 });
  lastKnown.set(place, path);
  return path;
}

/** Where the file system on a device is mounted for writing. */
export function writableMount(device: string): string | undefined {
  return readMounts().find(({ source, superOptions }) => source === device && !superOptions.includes('ro'))
    ?.target;
}

/** True while the file system on it is mounted, or the device itself is, for a pod that uses it bare. */
export function isInUse(device: string): boolean {
  const root = device.slice('/dev'.length);
  return readMounts().some(
    (mount) => mount.source === device || (mount.fsType === 'devtmpfs' && mount.root === root),
  );
}

function sameImage(device: LoopDevice | undefined, image: FileStat): LoopDevice | undefined {
  return device?.dev === image.dev && device.ino === image.ino ? device : undefined;
}

function statIfThere(path: string): FileStat | undefined {
  try {
    return lstat(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}
