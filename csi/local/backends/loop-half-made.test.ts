/** What a kill at any moment leaves of a volume in an image, made by hand; and images that something is wrong with. */

import { spawnSync } from 'node:child_process';
import {
  existsSync,
  renameSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { freshNetns, run } from '../../../conformance/testing/netns.ts';
import { O } from '../../../shared/sys/constants.ts';
import { openFile, readText } from '../../../shared/sys/file.ts';
import { attachedLoops, attachLoop, detachLoop, loopAt } from '../../../shared/sys/loop.ts';
import { unmount } from '../../../shared/sys/mount.ts';
import { readMounts } from '../../../shared/sys/mounts.ts';
import { stat } from '../../../shared/sys/stat.ts';
import { hashOf, MIB, plantFile, WORK } from './contract.ts';
import { writableMount } from './image-device.ts';
import { LoopBackend } from './loop.ts';
import { TestPool } from './testing/pool.ts';

const available = freshNetns();
const backend = new LoopBackend();
const shape = { size: 32 * MIB, thin: false, access: 'mount', fsType: 'ext4' } as const;
const larger = { ...shape, size: 96 * MIB };
const options = { readOnly: false, flags: [] };

describe.skipIf(!available)('half-made', () => {
  let pool: TestPool;
  beforeAll(() => {
    pool = new TestPool('xfs');
  });
  afterEach(() => pool.clear(backend));
  afterAll(() => pool[Symbol.dispose]());

  /** A volume with a file in it, that is not in use. @returns the place and the file's hash */
  async function volume(id = 'v'): Promise<[place: string, sum: string]> {
    const place = pool.place(id);
    await backend.create(place, shape, WORK);
    const target = pool.target('made');
    await backend.mount(place, shape, target, options, WORK);
    const sum = plantFile(`${target}/file`);
    unmount(target);
    await backend.detach(place);
    return [place, sum];
  }

  async function mounted(place: string, name = 'a', of: typeof shape = shape): Promise<string> {
    const target = pool.target(name);
    await backend.mount(place, of, target, options, WORK);
    return target;
  }

  /** Bytes of a loop device. */
  const deviceSize = (device: string): number => Number(readText(`/sys/block/${device.slice(5)}/size`)) * 512;

  test('an image that has no file system yet', async () => {
    const place = pool.place('v');
    writeFileSync(`${place}/disk.new`, 'as far as it came');
    await backend.create(place, shape, WORK);
    expect(existsSync(`${place}/disk.new`)).toBe(false);
    expect(await mounted(place)).toBeTruthy();
  });

  test('a creation that is stopped leaves nothing', async () => {
    const place = pool.place('v');
    const stopped = AbortSignal.abort(new Error('enough'));
    await expect(backend.create(place, shape, { signal: stopped })).rejects.toThrow();
    expect(existsSync(`${place}/disk.new`) || existsSync(`${place}/disk.img`)).toBe(false);
  });

  test('a larger copy, cut off before and after it had its name', async () => {
    const [source, sum] = await volume();
    const place = pool.place('copy');
    writeFileSync(`${place}/grow`, '');
    writeFileSync(`${place}/disk.new`, 'as far as it came');
    await backend.copy(place, larger, { place: source, shape }, WORK);
    await backend.copy(place, larger, { place: source, shape }, WORK);
    const target = await mounted(place, 'a', larger as typeof shape);
    expect(hashOf(`${target}/file`)).toBe(sum);
    expect((await backend.usage(place, larger, target)).totalBytes).toBeGreaterThan(64 * MIB);
    expect(existsSync(`${place}/grow`)).toBe(false);
  });

  test('a source that was made larger and not recorded so', async () => {
    const [source, sum] = await volume();
    await backend.expand(source, larger, WORK);
    const place = pool.place('copy');
    await backend.copy(place, shape, { place: source, shape }, WORK);
    expect(hashOf(`${await mounted(place)}/file`)).toBe(sum);
  });

  test.each([
    ['only marked', 32 * MIB],
    ['half of the room taken', 48 * MIB],
    ['all of it, and the device not told', 96 * MIB],
  ])('an expansion: %s', async (_, size) => {
    const [place, sum] = await volume();
    const device = await backend.attach(place, shape);
    writeFileSync(`${place}/grow`, '');
    truncateSync(`${place}/disk.img`, size);
    expect(deviceSize(device)).toBe(32 * MIB);
    await backend.expand(place, larger, WORK);
    expect(deviceSize(device)).toBe(96 * MIB);
    expect(statSync(`${place}/disk.img`).size).toBe(96 * MIB);
    const target = await mounted(place, 'a', larger as typeof shape);
    expect((await backend.usage(place, larger, target)).totalBytes).toBeGreaterThan(64 * MIB);
    expect(hashOf(`${target}/file`)).toBe(sum);
  });

  test('a device that is attached and not mounted is the one that is mounted', async () => {
    const [place, sum] = await volume();
    const device = attachLoop(`${place}/disk.img`, { blockSize: 4096 });
    // By a process that has only just started.
    const target = pool.target('a');
    const started = new LoopBackend();
    await started.mount(place, shape, target, options, WORK);
    expect(hashOf(`${target}/file`)).toBe(sum);
    const { ino, dev } = stat(`${place}/disk.img`);
    const behind = attachedLoops().filter((loop) => loop.ino === ino && loop.dev === dev);
    expect(behind.map(({ path }) => path)).toEqual([device]);
    unmount(target);
    await started.detach(place);
  });

  test('a device that was let go while somebody had it open stays when it is mounted again', async () => {
    const [place, sum] = await volume();
    const device = await backend.attach(place, shape);
    {
      using prober = openFile(device, O.RDONLY);
      await backend.detach(place);
      expect(loopAt(device)?.autoclear).toBe(true);
      expect(await backend.attach(place, shape)).toBe(device);
      expect(prober.closed).toBe(false);
    }
    expect(loopAt(device)?.autoclear).toBe(false);
    expect(hashOf(`${await mounted(place)}/file`)).toBe(sum);
  });

  test('a removal after which the mark was left', async () => {
    const [place] = await volume();
    writeFileSync(`${place}/grow`, '');
    unlinkSync(`${place}/disk.img`);
    expect(await backend.condition(place, shape)).toBe('its image is missing');
    await backend.remove(place, WORK);
    expect(existsSync(`${place}/grow`)).toBe(false);
  });

  test('what is in use is not detached, nor removed', async () => {
    const [place, sum] = await volume();
    const target = await mounted(place);
    await expect(backend.detach(place)).rejects.toThrow('EBUSY');
    await expect(backend.remove(place, WORK)).rejects.toThrow('EBUSY');
    expect(hashOf(`${target}/file`)).toBe(sum);
    unmount(target);
    // A pod that has the bare device.
    const device = await backend.attach(place, { ...shape, access: 'block' });
    writeFileSync(`${target}.device`, '');
    run('mount', '--bind', device, `${target}.device`);
    await expect(backend.detach(place)).rejects.toThrow('EBUSY');
    run('umount', `${target}.device`);
  });

  test('a loop device of another file in between does not lead astray', async () => {
    const [place, sum] = await volume();
    const device = await backend.attach(place, shape);
    // Behind the driver's back the device goes, and its number goes to another image, unless somebody else was quicker.
    detachLoop(device);
    const other = pool.place('other');
    await backend.create(other, shape, WORK);
    renameSync(`${other}/disk.img`, `${other}/disk.away`);
    const taken = attachLoop(`${other}/disk.away`, { blockSize: 4096 });
    try {
      expect(backend.device(place)).toBeUndefined();
      expect(hashOf(`${await mounted(place)}/file`)).toBe(sum);
    } finally {
      detachLoop(taken);
      unlinkSync(`${other}/disk.away`);
    }
  });

  test('of a source that another file system is mounted over, the right one is held', async () => {
    const [place, sum] = await volume();
    const target = await mounted(place);
    run('mount', '--bind', target, pool.target('b'));
    run('mount', '-t', 'tmpfs', 'none', target);
    expect(writableMount(backend.device(place) ?? '')).toBe(pool.target('b'));
    await backend.copy(pool.place('copy'), shape, { place, shape }, WORK);
    expect(hashOf(`${await mounted(pool.place('copy'), 'c')}/file`)).toBe(sum);
    unmount(target);
  });

  test.each(['ext4', 'xfs', 'btrfs'] as const)('on %s the page cache is passed by', async (kind) => {
    using other = new TestPool(kind);
    const place = other.place('v');
    await backend.create(place, shape, WORK);
    expect(loopAt(await backend.attach(place, shape))?.directIo).toBe(true);
    await other.clear(backend);
  });

  test('room that was taken stays taken, whatever a pod trims', async () => {
    const [place] = await volume();
    const target = await mounted(place);
    const { allocated } = stat(`${place}/disk.img`);
    expect(allocated).toBeGreaterThanOrEqual(shape.size);
    spawnSync('fstrim', [target]);
    expect(stat(`${place}/disk.img`).allocated).toBe(allocated);
  });

  test('a small file system becomes a large one', async () => {
    const place = pool.place('v');
    const small = { ...shape, size: 16 * MIB, thin: true };
    await backend.create(place, small, WORK);
    const large = { ...small, size: 12 * 1024 * MIB };
    await backend.expand(place, large, WORK);
    const target = pool.target('a');
    await backend.mount(place, large, target, options, WORK);
    expect((await backend.usage(place, large, target)).totalBytes).toBeGreaterThan(11 * 1024 * MIB);
  });

  test('a link in an image’s place is not followed', async () => {
    const place = pool.place('v');
    symlinkSync('/dev/null', `${place}/disk.img`);
    await expect(backend.mount(place, shape, pool.target('a'), options, WORK)).rejects.toThrow('ELOOP');
  });
});

describe.skipIf(!available)('what is wrong', () => {
  test('an ext4 with errors says so, and is checked before it is mounted', async () => {
    using pool = new TestPool('ext4');
    const place = pool.place('v');
    await backend.create(place, shape, WORK);
    const image = `${place}/disk.img`;
    // s_state: errors, and a count of free blocks that e2fsck will find wrong.
    run('debugfs', '-w', '-R', 'set_super_value state 2', image);
    run('debugfs', '-w', '-R', 'set_super_value free_blocks_count 1', image);
    run('debugfs', '-w', '-R', 'set_super_value error_count 3', image);
    const target = pool.target('a');
    await backend.mount(place, shape, target, { readOnly: true, flags: [] }, WORK);
    expect(await backend.condition(place, shape)).toContain('errors were found');
    unmount(target);
    await backend.mount(place, shape, target, options, WORK);
    expect(await backend.condition(place, shape)).toBeUndefined();
    unmount(target);
    expect(spawnSync('e2fsck', ['-f', '-n', image]).status).toBe(0);
    await pool.clear(backend);
  });

  test('an image that became short, and one that holds no ext4', async () => {
    using pool = new TestPool('ext4');
    const place = pool.place('v');
    await backend.create(place, shape, WORK);
    expect(await backend.condition(place, larger)).toContain('instead of');
    writeFileSync(`${place}/disk.img`, new Uint8Array(32 * MIB));
    await expect(backend.mount(place, shape, pool.target('a'), options, WORK)).rejects.toThrow();
    expect(backend.device(place)).toBeUndefined();
    expect(readMounts().some(({ target }) => target === pool.target('a'))).toBe(false);
    await pool.clear(backend);
  });
});
