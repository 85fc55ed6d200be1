import { renameSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { kernelTestsUnavailable, TemporaryDirectory } from '../../conformance/testing/netns.ts';
import { allocate, nextData, truncate } from './allocate.ts';
import { O } from './constants.ts';
import { openFile, readText } from './file.ts';
import {
  attachedLoops,
  attachLoop,
  decodeDevice,
  detachLoop,
  keepLoop,
  loopAt,
  loopOf,
  updateCapacity,
} from './loop.ts';
import { stat } from './stat.ts';

const MIB = 1024 * 1024;

/** Why there are no loop devices here. */
function unavailable(): string | undefined {
  try {
    openFile('/dev/loop-control', O.RDWR).close();
    return kernelTestsUnavailable();
  } catch (error) {
    return String(error);
  }
}

const reason = unavailable();
if (reason !== undefined) process.stderr.write(`skipped: loop devices: ${reason}\n`);

/** An image of 8 MiB, attached until the end of the scope. */
function attached(
  directory: TemporaryDirectory,
  name = 'image',
): { file: string; device: string } & Disposable {
  const file = directory.join(name);
  {
    using image = openFile(file, O.RDWR | O.CREAT | O.EXCL, 0o600);
    truncate(image.fd, 8 * MIB, file);
  }
  const device = attachLoop(file, { blockSize: 4096 });
  return { file, device, [Symbol.dispose]: () => detachLoop(device) };
}

/** In bytes. */
function sizeOf(device: string): number {
  return Number(sysfs(device, 'size')) * 512;
}

function sysfs(device: string, name: string): string {
  return readText(`/sys/block/${device.slice('/dev/'.length)}/${name}`).trim();
}

describe.skipIf(reason !== undefined)('loop devices', () => {
  test('a device is found by its file, under whatever name that is now', () => {
    using directory = new TemporaryDirectory();
    using image = attached(directory);
    renameSync(image.file, directory.join('moved'));
    writeFileSync(image.file, 'another file with the name that the device was made from');
    expect(loopOf(stat(directory.join('moved')))?.path).toBe(image.device);
    expect(loopOf(stat(image.file))).toBeUndefined();
    expect(sysfs(image.device, 'queue/logical_block_size')).toBe('4096');
  });

  test('a file that became longer is seen once the device is told', () => {
    using directory = new TemporaryDirectory();
    using image = attached(directory);
    using file = openFile(image.file, O.RDWR);
    truncate(file.fd, 16 * MIB, image.file);
    expect(sizeOf(image.device)).toBe(8 * MIB);
    updateCapacity(image.device);
    expect(sizeOf(image.device)).toBe(16 * MIB);
  });

  test('detached, nothing is behind it; again is fine', () => {
    using directory = new TemporaryDirectory();
    const image = attached(directory);
    detachLoop(image.device);
    expect(loopAt(image.device)).toBeUndefined();
    detachLoop(image.device);
    detachLoop('/dev/loop987654');
    expect(loopAt('/dev/loop987654')).toBeUndefined();
  });

  test('detached while it is open it goes with its last user, unless it is kept', () => {
    using directory = new TemporaryDirectory();
    using image = attached(directory);
    {
      using user = openFile(image.device, O.RDONLY);
      detachLoop(image.device);
      const going = loopAt(image.device);
      expect(going).toMatchObject({ autoclear: true });
      expect(going && keepLoop(going)).toBe(true);
      expect(user.closed).toBe(false);
    }
    expect(loopAt(image.device)).toMatchObject({ autoclear: false });
    const kept = loopAt(image.device);
    detachLoop(image.device);
    expect(kept && keepLoop(kept)).toBe(false);
  });

  test('devices are told apart from each other, and are all listed', () => {
    using directory = new TemporaryDirectory();
    using one = attached(directory, 'one');
    using two = attached(directory, 'two');
    const listed = attachedLoops().map(({ path }) => path);
    expect(listed).toEqual(expect.arrayContaining([one.device, two.device]));
    expect(loopOf(stat(two.file))?.path).toBe(two.device);
  });

  test('a link in the place of the file is not followed', () => {
    using directory = new TemporaryDirectory();
    using image = attached(directory);
    Bun.spawnSync(['ln', '-s', image.file, directory.join('link')]);
    expect(() => attachLoop(directory.join('link'), { blockSize: 0 })).toThrow('ELOOP');
  });
});

test('device numbers as the kernel writes them', () => {
  // makedev(259, 5) and makedev(7, 300): minor bits above the eighth lie above the major's.
  expect(decodeDevice(0x10305n)).toBe(259 * 2 ** 32 + 5);
  expect(decodeDevice(0x10072cn)).toBe(7 * 2 ** 32 + 300);
});

test('room that is taken, and where data is', () => {
  using directory = new TemporaryDirectory();
  const path = directory.join('file');
  using file = openFile(path, O.RDWR | O.CREAT, 0o600);
  truncate(file.fd, 4 * MIB, path);
  expect(stat(path).allocated).toBe(0);
  expect(nextData(file.fd, 0, path)).toBeUndefined();
  allocate(file.fd, MIB, MIB, path);
  expect(stat(path).allocated).toBeGreaterThanOrEqual(MIB);
  Bun.spawnSync(['dd', 'if=/dev/urandom', `of=${path}`, 'bs=64k', 'count=1', 'seek=48', 'conv=notrunc']);
  const data = nextData(file.fd, 2 * MIB, path);
  expect(data).toEqual({ start: 48 * 65536, end: 49 * 65536 });
  expect(nextData(file.fd, data?.end ?? 0, path)).toBeUndefined();
});
