/**
 * Volumes that are images behind loop devices: on any pool, with any file system, or none; and with a limit that nothing gets
 * past, since a file system in an image is no larger than that.
 *
 * In a place: `disk.img`, the volume; `disk.new`, one that is being made; `grow`, see image.ts.
 */

import { truncate } from '../../../shared/sys/allocate.ts';
import { O } from '../../../shared/sys/constants.ts';
import { errnoNumber, isErrno, SyscallError } from '../../../shared/sys/errno.ts';
import { openFile } from '../../../shared/sys/file.ts';
import { updateCapacity } from '../../../shared/sys/loop.ts';
import { exists, fstat, lstatIfExists, stat } from '../../../shared/sys/stat.ts';
import type { Backend, Features, MountOptions, Shape, Usage, Work } from './backend.ts';
import { copyImage } from './copy-image.ts';
import {
  growFilesystem,
  growsMounted,
  growUnmounted,
  KINDS,
  makeDistinct,
  makeFilesystem,
} from './filesystem.ts';
import { checkFilesystem, conditionOf } from './filesystem-health.ts';
import {
  canAllocate,
  hasGrown,
  imagePath,
  makeImage,
  markToGrow,
  removeImage,
  resize,
  takenByImage,
  toGrow,
} from './image.ts';
import { ImageDevices, isInUse, writableMount } from './image-device.ts';
import { mountDevice, mountedAt, usageOf } from './mounting.ts';
import { flush } from './off-loop.ts';
import { findTool } from './tool.ts';

/** Of a volume without a file system. */
const MIN_BLOCK = 4096;

export class LoopBackend implements Backend {
  readonly name = 'loop';
  readonly features: Features = {
    block: true,
    enforcesSize: true,
    snapshots: true,
    ownFileSystem: true,
    minimum: ({ access, fsType }) => (access === 'block' ? MIN_BLOCK : KINDS[fsType].minimum),
  };

  readonly #devices = new ImageDevices();
  /** File systems, by their device, of which it is known that room can be taken in advance: it is asked for every volume. */
  readonly #allocating = new Set<number>();

  async check(poolDirectory: string): Promise<string | undefined> {
    if (!exists('/dev/loop-control')) return 'the node has no loop devices: modprobe loop';
    const missing = KINDS.ext4.tools.find((tool) => findTool(tool) === undefined);
    if (missing) return `there is no program ${missing} on this node`;
    try {
      const { dev } = stat(poolDirectory);
      if (this.#allocating.has(dev) || canAllocate(poolDirectory)) {
        this.#allocating.add(dev);
        return undefined;
      }
    } catch (error) {
      if (isErrno(error, 'EROFS', 'ENOSPC', 'EDQUOT', 'EIO')) return error.message;
      throw error;
    }
    return 'its file system cannot reserve room for a file (fallocate)';
  }

  async create(place: string, shape: Shape, { signal }: Work): Promise<void> {
    await makeImage(place, { ...shape, signal }, async (file, path) => {
      await resize(file, path, { ...shape, from: 0, signal });
      if (shape.access === 'mount') await makeFilesystem(path, shape.fsType, signal);
    });
  }

  async copy(
    place: string,
    shape: Shape,
    source: { readonly place: string; readonly shape: Shape },
    work: Work,
  ): Promise<void> {
    if (exists(imagePath(place))) return;
    const path = imagePath(source.place);
    using file = openFile(path, O.RDONLY | O.NOFOLLOW);
    const length = fstat(file.fd).size;
    const device = this.#devices.of(source.place)?.path;
    const mounted = device === undefined ? undefined : writableMount(device);
    // Nothing to be made still: what a user of the bare device has written goes to the image at least.
    if (device !== undefined && mounted === undefined) await flushDevice(device);
    const grows = shape.access === 'mount' && shape.size > source.shape.size;
    if (grows) markToGrow(place);
    const size = Math.max(shape.size, length);
    await makeImage(place, { size, thin: shape.thin, signal: work.signal }, async (fd, target) => {
      await copyImage({ fd: file.fd, path }, { fd, path: target }, mounted, work);
      if (shape.access === 'mount') await makeDistinct(target, shape.fsType, work.signal);
    });
  }

  async remove(place: string, _work: Work): Promise<void> {
    await this.detach(place);
    removeImage(place);
  }

  async expand(place: string, shape: Shape, { signal }: Work): Promise<void> {
    const path = imagePath(place);
    using file = openFile(path, O.RDWR | O.NOFOLLOW);
    const before = fstat(file.fd).size;
    if (before < shape.size) {
      if (shape.access === 'mount') markToGrow(place);
      try {
        await resize(file.fd, path, { ...shape, from: before, signal });
      } catch (error) {
        // The device has not been told: nobody has written there.
        truncate(file.fd, before, path);
        throw error;
      }
      await flush(file.fd);
    }
    const device = this.device(place);
    if (device !== undefined) updateCapacity(device);
  }

  async mount(place: string, shape: Shape, target: string, options: MountOptions, work: Work): Promise<void> {
    const attached = this.device(place);
    const device = await this.attach(place, shape);
    try {
      if (mountedAt(target)?.source !== device && !options.readOnly)
        await this.#prepare(place, shape, device, work);
      const flags = [...KINDS[shape.fsType].options, ...options.flags];
      mountDevice(device, target, shape.fsType, options.readOnly ? [...flags, 'ro'] : flags);
    } catch (error) {
      if (attached === undefined && !isInUse(device)) await this.detach(place);
      throw error;
    }
    if (!options.readOnly && toGrow(place) && growsMounted(shape.fsType))
      await this.growMounted(place, shape, target, work);
  }

  /** What is done before it is mounted for writing. */
  async #prepare(place: string, { fsType }: Shape, device: string, { signal }: Work): Promise<void> {
    await checkFilesystem(device, fsType, signal);
    if (!toGrow(place) || growsMounted(fsType) || isInUse(device)) return;
    await growUnmounted(device, signal);
    hasGrown(place);
  }

  async attach(place: string, shape: Shape): Promise<string> {
    return this.#devices.attach(place, shape);
  }

  async growMounted(place: string, { fsType }: Shape, target: string, { signal }: Work): Promise<void> {
    const device = this.device(place);
    if (device === undefined) throw new SyscallError('grow', errnoNumber('ENODEV'), target);
    await growFilesystem(device, target, fsType, signal);
    hasGrown(place);
  }

  async detach(place: string): Promise<void> {
    const device = this.#devices.of(place);
    if (!device) return;
    if (isInUse(device.path)) throw new SyscallError('detach', errnoNumber('EBUSY'), device.path);
    this.#devices.detach(device);
  }

  device(place: string): string | undefined {
    return this.#devices.of(place)?.path;
  }

  async usage(_place: string, _shape: Shape, target: string): Promise<Usage> {
    return usageOf(target);
  }

  taken(place: string): number {
    return takenByImage(place);
  }

  async condition(place: string, shape: Shape): Promise<string | undefined> {
    const image = lstatIfExists(imagePath(place));
    if (!image) return 'its image is missing';
    if (image.size < shape.size) return `its image has ${image.size} bytes instead of ${shape.size}`;
    const device = shape.access === 'mount' ? this.#devices.lastKnown(image) : undefined;
    return device === undefined ? undefined : conditionOf(device, shape.fsType);
  }
}

async function flushDevice(device: string): Promise<void> {
  using opened = openFile(device, O.RDONLY);
  await flush(opened.fd);
}
