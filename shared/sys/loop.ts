/**
 * Loop devices: block devices whose blocks are a file's.
 *
 * A device is known by the inode that is behind it, not by the path that it was given: that may lead to another file by now.
 * Layouts and numbers: include/uapi/linux/loop.h, the same on amd64 and arm64.
 */

import { O } from './constants.ts';
import { readDir } from './directory.ts';
import { isErrno } from './errno.ts';
import type { Fd, OwnedFd } from './fd.ts';
import { openFile } from './file.ts';
import { ioctl } from './socket.ts';
import { exists, type FileStat } from './stat.ts';

const LOOP_CLR_FD = 0x4c01;
const LOOP_SET_STATUS64 = 0x4c04;
const LOOP_GET_STATUS64 = 0x4c05;
const LOOP_SET_CAPACITY = 0x4c07;
const LOOP_CONFIGURE = 0x4c0a;
const LOOP_CTL_GET_FREE = 0x4c82;

/** Of lo_flags. */
const LO_FLAGS_AUTOCLEAR = 4;
const LO_FLAGS_DIRECT_IO = 16;

/** struct loop_config: fd u32, block_size u32, struct loop_info64, reserved. */
const CONFIG_SIZE = 304;
const CONFIG_INFO = 8;
/** struct loop_info64: device u64, inode u64, rdevice, offset, sizelimit u64, number u32, encryption's type and key size u32 at 44 and 48, flags u32 at 52, file_name[64]. */
const INFO_SIZE = 232;
const INFO_KEY_SIZE = 48;
const INFO_FLAGS = 52;
const INFO_NAME = 56;
const NAME_SIZE = 64;

/** How often a free device is asked for: others may take it first. */
const ATTEMPTS = 64;

/** A loop device and what is behind it. */
export interface LoopDevice {
  /** `/dev/loop3` */
  readonly path: string;
  readonly dev: number;
  readonly ino: bigint;
  readonly directIo: boolean;
  /** It goes when its last user does. */
  readonly autoclear: boolean;
}

export interface AttachOptions {
  /** Bytes of a logical block; 0: what the file's own device has, 512 where it does not say. */
  readonly blockSize: number;
  /** Before Linux 5.16: whether discards make holes in the file. Later it is a setting of the device's queue. */
  readonly discards?: boolean;
}

/** All devices that have a file behind them, but for those whose file cannot be asked (its server is gone). */
export function attachedLoops(): LoopDevice[] {
  const found: LoopDevice[] = [];
  for (const { name } of readDir('/sys/block')) {
    if (!name.startsWith('loop') || !exists(`/sys/block/${name}/loop/backing_file`)) continue;
    try {
      const device = loopAt(`/dev/${name}`);
      if (device) found.push(device);
    } catch (error) {
      if (!isErrno(error, 'EIO', 'ESTALE', 'ETIMEDOUT')) throw error;
    }
  }
  return found;
}

/** What is behind the device at a path; undefined where nothing is, or there is no such device. */
export function loopAt(path: string): LoopDevice | undefined {
  const opened = openIfThere(path);
  if (!opened) return undefined;
  using device = opened;
  return status(device.fd, path)?.device;
}

/** The device that has that file behind it. */
export function loopOf(file: Pick<FileStat, 'dev' | 'ino'>): LoopDevice | undefined {
  return attachedLoops().find((device) => device.dev === file.dev && device.ino === file.ino);
}

/**
 * Puts a file behind a free device, past the page cache where its file system can (direct I/O). The device stays until it is
 * detached. Does not look whether another device has the file already: see `loopOf`.
 *
 * @returns its path
 * @throws SyscallError ENOENT where the machine has no loop devices; EBUSY where others took every free one
 */
export function attachLoop(path: string, options: AttachOptions): string {
  using file = openDirect(path);
  using control = openFile('/dev/loop-control', O.RDWR);
  const config = new Uint8Array(CONFIG_SIZE);
  const view = new DataView(config.buffer);
  view.setUint32(0, file.fd, true);
  view.setUint32(4, options.blockSize, true);
  view.setUint32(CONFIG_INFO + INFO_FLAGS, LO_FLAGS_DIRECT_IO, true);
  // No key for no cipher: what has one discards nothing, that it may not be seen where data is (loop_config_discard).
  if (options.discards === false) view.setUint32(CONFIG_INFO + INFO_KEY_SIZE, 1, true);
  // For people: what losetup(8) lists. The kernel cuts what is too long.
  const name = new TextEncoder().encode(path).subarray(0, NAME_SIZE - 1);
  config.set(name, CONFIG_INFO + INFO_NAME);
  for (let attempt = 1; ; attempt++) {
    const number = ioctl(control.fd, LOOP_CTL_GET_FREE, 0, 'a free loop device');
    const device = `/dev/loop${number}`;
    try {
      using opened = openFile(device, O.RDWR);
      ioctl(opened.fd, LOOP_CONFIGURE, config, `${path} on ${device}`);
      return device;
    } catch (error) {
      // Taken, or removed, since it was free.
      if (!isErrno(error, 'EBUSY', 'ENXIO', 'ENODEV') || attempt === ATTEMPTS) throw error;
    }
  }
}

/** Keeps a device that was to go with its last user; false where it has gone. */
export function keepLoop({ path, dev, ino }: LoopDevice): boolean {
  const opened = openIfThere(path);
  if (!opened) return false;
  using device = opened;
  const now = status(device.fd, path);
  if (!now || now.device.dev !== dev || now.device.ino !== ino) return false;
  if (!now.device.autoclear) return true;
  const view = new DataView(now.info.buffer);
  view.setUint32(INFO_FLAGS, view.getUint32(INFO_FLAGS, true) & ~LO_FLAGS_AUTOCLEAR, true);
  ioctl(device.fd, LOOP_SET_STATUS64, now.info, path);
  return true;
}

/** Has a device see that its file has become longer or shorter. @throws SyscallError */
export function updateCapacity(path: string): void {
  using device = openFile(path, O.RDWR);
  ioctl(device.fd, LOOP_SET_CAPACITY, 0, path);
}

/**
 * Takes the file from a device: at once, or where somebody still has it open, when the last one closes it. Nothing where there is
 * none any more.
 *
 * @throws SyscallError
 */
export function detachLoop(path: string): void {
  const opened = openIfThere(path);
  if (!opened) return;
  using device = opened;
  try {
    ioctl(device.fd, LOOP_CLR_FD, 0, path);
  } catch (error) {
    if (!isErrno(error, 'ENXIO')) throw error;
  }
}

/** As loop's status tells devices: huge_encode_dev of the kernel's include/linux/kdev_t.h, and back to stat's (stat.ts). */
export function decodeDevice(encoded: bigint): number {
  const major = Number((encoded & 0xfff00n) >> 8n);
  const minor = Number((encoded & 0xffn) | ((encoded >> 12n) & 0xfff00n));
  return major * 2 ** 32 + minor;
}

function status(fd: Fd, path: string): { device: LoopDevice; info: Uint8Array } | undefined {
  const info = new Uint8Array(INFO_SIZE);
  try {
    ioctl(fd, LOOP_GET_STATUS64, info, path);
  } catch (error) {
    // ENXIO: nothing is behind it.
    if (isErrno(error, 'ENXIO')) return undefined;
    throw error;
  }
  const view = new DataView(info.buffer);
  const flags = view.getUint32(INFO_FLAGS, true);
  return {
    info,
    device: {
      path,
      dev: decodeDevice(view.getBigUint64(0, true)),
      ino: view.getBigUint64(8, true),
      directIo: (flags & LO_FLAGS_DIRECT_IO) !== 0,
      autoclear: (flags & LO_FLAGS_AUTOCLEAR) !== 0,
    },
  };
}

function openIfThere(path: string): OwnedFd | undefined {
  try {
    return openFile(path, O.RDONLY | O.NONBLOCK);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENXIO', 'ENODEV')) return undefined;
    throw error;
  }
}

/** For direct I/O: only of a file opened so does the kernel take the block size over from the disk below. */
function openDirect(path: string): OwnedFd {
  const flags = O.RDWR | O.NOFOLLOW;
  try {
    return openFile(path, flags | O.DIRECT);
  } catch (error) {
    if (isErrno(error, 'EINVAL')) return openFile(path, flags);
    throw error;
  }
}
