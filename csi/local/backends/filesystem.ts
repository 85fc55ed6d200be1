/** What is to be known of each type of file system that a volume can have of its own. */

import { CAP, hasCapability } from '../../../shared/sys/capability.ts';
import { errnoNumber, SyscallError } from '../../../shared/sys/errno.ts';
import type { FsType } from './backend.ts';
import { runTool, ToolError } from './tool.ts';

const MIB = 1024 * 1024;

interface Kind {
  /** Programs that it needs. */
  readonly tools: readonly string[];
  /** Of the smallest image that mkfs takes, in bytes. */
  readonly minimum: number;
  /** mkfs and its arguments; the image's path follows. */
  readonly make: readonly string[];
  /** Of every mount, beside those asked for. */
  readonly options: readonly string[];
}

/*
 * All blocks and sectors have 4096 bytes: the image may lie on a disk that knows no smaller ones.
 * None discards: mkfs would give back what was taken for the image in advance.
 */
export const KINDS: Readonly<Record<FsType, Kind>> = {
  ext4: {
    tools: ['mkfs.ext4', 'e2fsck', 'resize2fs'],
    minimum: 16 * MIB,
    // No blocks are kept for root: the volume is a pod's own. After an error nothing more is written. What is new reads as zeros, and need not be zeroed again
    // (e2fsprogs 1.47; before, the same by two other names, with the kernel zeroing inodes later).
    make: [
      ...['mkfs.ext4', '-q', '-F', '-b', '4096', '-m', '0', '-e', 'remount-ro'],
      ...['-E', 'nodiscard,assume_storage_prezeroed=1'],
    ],
    options: [],
  },
  xfs: {
    tools: ['mkfs.xfs', 'xfs_growfs'],
    // xfsprogs 5.19 refuses less than 300 MiB.
    minimum: 300 * MIB,
    make: ['mkfs.xfs', '-q', '-f', '-K', '-s', 'size=4096'],
    // A copy has the UUID of what it was made from, and two of one UUID are not mounted else.
    options: ['nouuid'],
  },
  btrfs: {
    tools: ['mkfs.btrfs', 'btrfs', 'btrfstune'],
    // The kernel makes none larger whose new size is less.
    minimum: 256 * MIB,
    make: ['mkfs.btrfs', '-q', '-f', '-K', '-s', '4096', '-m', 'single', '-d', 'single'],
    options: [],
  },
};

const OLD_EXT4 = 'nodiscard,lazy_itable_init=1,lazy_journal_init=1';

/** Makes a file system in an image that reads as zeros. @throws ToolError */
export async function makeFilesystem(image: string, type: FsType, signal: AbortSignal): Promise<void> {
  const [program = '', ...args] = KINDS[type].make;
  try {
    await runTool(program, [...args, image], signal);
  } catch (error) {
    if (type !== 'ext4' || !(error instanceof ToolError) || !error.said.includes('prezeroed')) throw error;
    await runTool(program, [...args.slice(0, -1), OLD_EXT4, image], signal);
  }
}

/**
 * Makes a copy's file system another than the one that it was copied from, where the kernel would take the two for one: btrfs
 * before Linux 6.7 does not mount it, and any may mistake its device for the other's.
 *
 * @param image that nobody uses
 */
export async function makeDistinct(image: string, type: FsType, signal: AbortSignal): Promise<void> {
  // Of the superblocks alone, which takes no time (metadata_uuid, Linux 5.0).
  if (type === 'btrfs') await runTool('btrfstune', ['-f', '-m', image], signal);
}

/** Whether it grows while it is mounted: the kernel lets only CAP_SYS_RESOURCE have that of ext4. */
export function growsMounted(type: FsType): boolean {
  return type !== 'ext4' || hasCapability(CAP.SYS_RESOURCE);
}

/**
 * Has a mounted file system fill its device. Nothing where it does already. By a program, not by the one call that each of them
 * makes: that may take seconds, in which the event loop would stand still.
 *
 * @throws SyscallError EPERM where it cannot: see growsMounted
 */
export async function growFilesystem(
  device: string,
  target: string,
  type: FsType,
  signal: AbortSignal,
): Promise<void> {
  if (!growsMounted(type)) {
    const why = `${target} (ext4 in use, without CAP_SYS_RESOURCE: it grows when it is mounted next)`;
    throw new SyscallError('grow', errnoNumber('EPERM'), why);
  }
  if (type === 'ext4') await runTool('resize2fs', [device], signal);
  else if (type === 'xfs') await runTool('xfs_growfs', ['-d', target], signal);
  else await runTool('btrfs', ['filesystem', 'resize', 'max', target], signal);
}

/**
 * As `growFilesystem`, of an ext4 that is mounted nowhere; it is checked first, as resize2fs(8) wants it. Fails for one that
 * becomes more than a thousand times as large as it was made (e2fsprogs 1.47.0), which the kernel does in use.
 */
export async function growUnmounted(device: string, signal: AbortSignal): Promise<void> {
  await runTool('e2fsck', ['-f', '-p', device], signal, MENDED);
  await runTool('resize2fs', [device], signal);
}

/** Exit codes of e2fsck(8) that leave a good file system: nothing found, and all mended (1, 2: after which to boot anew). */
export const MENDED: readonly number[] = [0, 1, 2, 3];
