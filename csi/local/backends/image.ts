/** The file that holds a volume, and how it comes to be: under another name first, so that the one it has is always whole. */

import { allocate, truncate } from '../../../shared/sys/allocate.ts';
import { FS_MAGIC, O } from '../../../shared/sys/constants.ts';
import { isErrno } from '../../../shared/sys/errno.ts';
import type { Fd } from '../../../shared/sys/fd.ts';
import { fsyncDirectory, openFile, rename, unlinkIfExists } from '../../../shared/sys/file.ts';
import { writeInPlace } from '../../../shared/sys/inode-flags.ts';
import { exists, stat, statfs } from '../../../shared/sys/stat.ts';
import { breathe, flush } from './off-loop.ts';

/** Room that is taken at a time: more would hold the event loop for long. */
const PIECE = 2 * 1024 ** 3;

/** The volume. */
export const imagePath = (place: string): string => `${place}/disk.img`;
/** What is to become one. */
const newPath = (place: string): string => `${place}/disk.new`;
/** Says that the file system in the image is smaller than the image, and has to grow when it is mounted. */
const growPath = (place: string): string => `${place}/grow`;

/**
 * Makes a volume's image, unless there is one: `fill` gets the empty file. What a killed attempt left is thrown away first.
 * Unless it is thin, every byte of it has room afterwards, whatever `fill` did.
 */
export async function makeImage(
  place: string,
  options: Omit<Resize, 'from'>,
  fill: (file: Fd, path: string) => Promise<void>,
): Promise<void> {
  if (exists(imagePath(place))) return;
  const path = newPath(place);
  unlinkIfExists(path);
  try {
    using file = openFile(path, O.RDWR | O.CREAT | O.EXCL | O.NOFOLLOW, 0o600);
    if (statfs(place).type === FS_MAGIC.BTRFS) writeInPlace(file.fd, path);
    await fill(file.fd, path);
    await resize(file.fd, path, { ...options, from: 0 });
    await flush(file.fd);
    rename(path, imagePath(place));
  } catch (error) {
    unlinkIfExists(path);
    throw error;
  }
  fsyncDirectory(place);
}

/**
 * Makes a file that long, which is no longer yet, with room for all of it from `from` on unless it is thin.
 *
 * @throws SyscallError ENOSPC: the file may have become longer by then, which nobody sees as long as its device is not told
 */
export async function resize(file: Fd, path: string, { size, thin, from, signal }: Resize): Promise<void> {
  if (thin) {
    truncate(file, size, path);
    return;
  }
  for (let offset = from; offset < size; offset += PIECE) {
    if (offset > from) await breathe(signal);
    allocate(file, offset, Math.min(PIECE, size - offset), path);
  }
}

export interface Resize {
  readonly size: number;
  readonly thin: boolean;
  readonly from: number;
  readonly signal: AbortSignal;
}

/** What its image has taken of the pool, also while it is being made. @throws SyscallError ENOENT where there is none */
export function takenByImage(place: string): number {
  return stat(exists(imagePath(place)) ? imagePath(place) : newPath(place)).allocated;
}

/** Removes all of a volume: the image first, since the rest says nothing without it. */
export function removeImage(place: string): void {
  for (const path of [imagePath(place), newPath(place), growPath(place)]) unlinkIfExists(path);
  fsyncDirectory(place);
}

/** Has the file system in the image grow when it is next mounted, from before the image is larger. */
export function markToGrow(place: string): void {
  if (toGrow(place)) return;
  openFile(growPath(place), O.WRONLY | O.CREAT, 0o600).close();
  fsyncDirectory(place);
}

export function toGrow(place: string): boolean {
  return exists(growPath(place));
}

export function hasGrown(place: string): void {
  unlinkIfExists(growPath(place));
}

/** True where thick images are possible. */
export function canAllocate(directory: string): boolean {
  const path = `${directory}/.allocate-probe`;
  unlinkIfExists(path);
  try {
    using file = openFile(path, O.RDWR | O.CREAT | O.EXCL | O.NOFOLLOW, 0o600);
    allocate(file.fd, 0, 4096, path);
    return true;
  } catch (error) {
    if (isErrno(error, 'EOPNOTSUPP', 'ENOSYS')) return false;
    throw error;
  } finally {
    unlinkIfExists(path);
  }
}
