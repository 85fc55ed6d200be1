import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { freshNetns } from '../../../conformance/testing/netns.ts';
import { O } from '../../../shared/sys/constants.ts';
import { isErrno } from '../../../shared/sys/errno.ts';
import { openFile } from '../../../shared/sys/file.ts';
import { freeze, thaw, thawAt } from '../../../shared/sys/freeze.ts';
import { unmount } from '../../../shared/sys/mount.ts';
import { MIB, WORK } from './contract.ts';
import { LoopBackend } from './loop.ts';
import { whileStill } from './still.ts';
import { TestPool } from './testing/pool.ts';

const available = freshNetns();
const backend = new LoopBackend();
const shape = { size: 64 * MIB, thin: false, access: 'mount', fsType: 'ext4' } as const;

/** Whether somebody else has frozen what is mounted there. */
function isFrozen(target: string): boolean {
  using directory = openFile(target, O.RDONLY | O.DIRECTORY);
  try {
    freeze(directory.fd, target);
    thaw(directory.fd, target);
    return false;
  } catch (error) {
    if (isErrno(error, 'EBUSY')) return true;
    throw error;
  }
}

async function untilThawed(target: string): Promise<void> {
  while (isFrozen(target)) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe.skipIf(!available)('a file system that is held still', () => {
  let pool: TestPool;
  let place: string;
  let target: string;
  beforeAll(async () => {
    // Without reflinks.
    pool = new TestPool('ext4');
    place = pool.place('v');
    target = pool.target('a');
    await backend.create(place, shape, WORK);
    await backend.mount(place, shape, target, { readOnly: false, flags: [] }, WORK);
  });
  afterEach(() => void thawAt(target));
  afterAll(async () => {
    await pool.clear(backend);
    pool[Symbol.dispose]();
  });

  test('it is, while the work goes on, and no longer', async () => {
    await whileStill(target, async () => expect(isFrozen(target)).toBe(true));
    expect(isFrozen(target)).toBe(false);
  });

  test('work that fails lets go as well', async () => {
    const failing = whileStill(target, () => Promise.reject(new Error('no')));
    await expect(failing).rejects.toThrow('no');
    await untilThawed(target);
  });

  test('who works for too long is told, and writers were not kept waiting', async () => {
    await expect(whileStill(target, () => untilThawed(target))).rejects.toThrow('EBUSY');
  });

  test('it is let go when who holds it is killed; and whatever else comes, it is not before', async () => {
    const script = `
      import { whileStill } from ${JSON.stringify(`${import.meta.dirname}/still.ts`)};
      await whileStill(${JSON.stringify(target)}, () => new Promise(() => console.log('still')));`;
    const holder = spawn(process.execPath, ['-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    });
    await new Promise((resolve) => holder.stdout.once('data', resolve));
    const ended = new Promise((resolve) => holder.once('exit', resolve));
    // What ends a service: a signal to all its processes.
    process.kill(-(holder.pid ?? 0), 'SIGTERM');
    await ended;
    await untilThawed(target);
  });

  test('one that somebody else has frozen is copied, and stays his', async () => {
    using directory = openFile(target, O.RDONLY | O.DIRECTORY);
    freeze(directory.fd, target);
    await whileStill(target, async () => undefined);
    expect(isFrozen(target)).toBe(true);
    expect(thaw(directory.fd, target)).toBe(true);
  });

  test('what is written while it is copied is in the copy, whole', async () => {
    writeFileSync(`${target}/large`, new Uint8Array(16 * MIB).fill(1), { flush: true });
    let passes = 0;
    const progress = (): void => {
      passes += 1;
      if (passes !== 12) return;
      writeFileSync(`${target}/meanwhile`, new Uint8Array(4 * MIB).fill(2), { flush: true });
      writeFileSync(`${target}/large`, new Uint8Array(16 * MIB).fill(3), { flush: true });
    };
    const copy = pool.place('copy');
    await backend.copy(copy, shape, { place, shape }, { ...WORK, progress });
    expect(passes).toBeGreaterThan(12);
    const mounted = pool.target('b');
    await backend.mount(copy, shape, mounted, { readOnly: false, flags: [] }, WORK);
    expect(existsSync(`${mounted}/meanwhile`)).toBe(true);
    expect(new Set(readFileSync(`${mounted}/large`))).toEqual(new Set([3]));
    expect(new Set(readFileSync(`${mounted}/meanwhile`))).toEqual(new Set([2]));
    unmount(mounted);
  });
});
