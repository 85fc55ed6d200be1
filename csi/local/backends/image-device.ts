/** Loop devices of volumes' images. */

import { isErrno } from '../../../shared/sys/errno.ts';
import { writeFile } from '../../../shared/sys/file.ts';
import {
  attachedLoops,
  attachLoop,
  detachLoop,
  keepLoop,
  type LoopDevice,
  loopAt,
} from '../../../shared/sys/loop.ts';
import { readMounts } from '../../../shared/sys/mounts.ts';
import { monotonicMs } from '../../../shared/sys/process.ts';
import { type FileStat, lstat, lstatIfExists } from '../../../shared/sys/stat.ts';
import type { Shape } from './backend.ts';
import { imagePath } from './image.ts';

/** Of file systems, whose blocks have that size (filesystem.ts). */
const BLOCK = 4096;

/**
 * How long it is taken for granted that nobody else has attached an image of ours, in ms. To look again means to ask every loop
 * device of the machine: 15 ms for a thousand.
 */
const TRUST = 5000;

/**
 * Which device has which image. What it says is there is asked of the device each time; what it says is not, it knows from having
 * looked at all of them a while ago, and from what it attached itself.
 */
export class ImageDevices {
  /** Device paths by the image's inode. */
  readonly #paths = new Map<string, string>();
  #lookedAt = Number.NEGATIVE_INFINITY;

  /** The device that has the place's image behind it. */
  of(place: string): LoopDevice | undefined {
    const image = lstatIfExists(imagePath(place));
    if (!image) return undefined;
    const known = this.#paths.get(keyOf(image));
    const device = known === undefined ? undefined : loopAt(known);
    if (device && keyOf(device) === keyOf(image)) return device;
    // It has gone behind our back, and may be another by now.
    if (known !== undefined || monotonicMs() - this.#lookedAt > TRUST) this.#look();
    const found = this.#paths.get(keyOf(image));
    return found === undefined ? undefined : loopAt(found);
  }

  /** As `of`, without asking the device: for who only looks, and at many volumes. */
  lastKnown(image: Pick<FileStat, 'dev' | 'ino'>): string | undefined {
    if (monotonicMs() - this.#lookedAt > TRUST) this.#look();
    return this.#paths.get(keyOf(image));
  }

  /** The device, attached where it is not yet. @throws SyscallError ENOENT where there is no image */
  attach(place: string, { access, thin }: Pick<Shape, 'access' | 'thin'>): string {
    const found = this.of(place);
    // One that was let go while somebody still had it open would go with him.
    if (found && keepLoop(found)) return found.path;
    const blockSize = access === 'mount' ? BLOCK : 0;
    const path = attachLoop(imagePath(place), { blockSize, discards: thin });
    this.#paths.set(keyOf(lstat(imagePath(place))), path);
    if (!thin) keepRoom(path);
    return path;
  }

  /** Lets a device go. */
  detach(device: LoopDevice): void {
    detachLoop(device.path);
    // Somebody may have it open still: then it stays until he closes it.
    if (!loopAt(device.path)) this.#paths.delete(keyOf(device));
  }

  #look(): void {
    this.#paths.clear();
    for (const device of attachedLoops()) this.#paths.set(keyOf(device), device.path);
    this.#lookedAt = monotonicMs();
  }
}

/**
 * Has a device refuse to discard: fstrim(8) in a pod would give the room that was taken for the volume back to the pool, and the
 * next write might find none.
 */
function keepRoom(device: string): void {
  try {
    writeFile(`/sys/block/${device.slice('/dev/'.length)}/queue/discard_max_bytes`, '0');
  } catch (error) {
    // Where /sys is not ours to write, the pool's accounts, which go by volumes' sizes, still hold.
    if (!isErrno(error, 'EROFS', 'EACCES', 'EPERM', 'ENOENT', 'EINVAL')) throw error;
  }
}

/** Where the file system on a device is mounted for writing, and can be reached: nothing else is mounted over it. */
export function writableMount(device: string): string | undefined {
  return readMounts().find(
    ({ source, superOptions, target, id }) =>
      source === device && !superOptions.includes('ro') && isReached(target, id),
  )?.target;
}

function isReached(target: string, id: number): boolean {
  const { mountId = -1 } = lstatIfExists(target) ?? {};
  return mountId === 0 || mountId === id;
}

/** True while the file system on it is mounted, or the device itself is, for a pod that uses it bare. */
export function isInUse(device: string): boolean {
  const root = device.slice('/dev'.length);
  return readMounts().some(
    (mount) => mount.source === device || (mount.fsType === 'devtmpfs' && mount.root === root),
  );
}

function keyOf({ dev, ino }: Pick<FileStat, 'dev' | 'ino'>): string {
  return `${dev}:${ino}`;
}
