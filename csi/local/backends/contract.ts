/**
 * What every backend does, on real pools: a file system of its own in an image of its own, mounted in this process's mount
 * namespace. A test file of a backend calls `backendContract` once a pool.
 */

import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { unmount } from '../../../shared/sys/mount.ts';
import { readMounts } from '../../../shared/sys/mounts.ts';
import type { Backend, Shape, Work } from './backend.ts';
import { growsMounted } from './filesystem.ts';
import { type PoolKind, TestPool, tryRun } from './testing/pool.ts';

export const MIB: number = 1024 * 1024;

/** One combination that is tried. */
export interface Case {
  readonly backend: Backend;
  readonly pool: PoolKind;
  readonly shape: Shape;
  /** Of the pool's mount. */
  readonly options?: string;
  /** What makes a fresh pool one that the backend takes. @param pool its directory */
  readonly prepare?: (pool: string) => void;
}

export const WORK: Work = { signal: new AbortController().signal };

/** A file's bytes and their hash, to be found again. */
export function plantFile(path: string, size: number = 3 * MIB): string {
  const bytes = randomBytes(size);
  writeFileSync(path, bytes, { flush: true });
  return hash(bytes);
}

export function hashOf(path: string): string {
  return hash(readFileSync(path));
}

function hash(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** @param available false where kernel tests cannot run (see freshNetns) */
export function backendContract(
  available: boolean,
  { backend, pool: kind, options, shape, prepare }: Case,
): void {
  const { features } = backend;
  const kinds = `${backend.name} on ${kind}, ${shape.fsType}${shape.thin ? ', thin' : ''}`;
  const runs = available && shape.access === 'mount';

  describe.skipIf(!runs)(kinds, () => {
    let pool: TestPool;
    beforeAll(async () => {
      pool = new TestPool(kind, options);
      prepare?.(pool.path);
      expect(await backend.check(pool.path)).toBeUndefined();
    });
    afterEach(() => pool.clear(backend));
    afterAll(() => pool[Symbol.dispose]());

    const mountAt = async (
      place: string,
      name: string,
      of: Shape = shape,
      readOnly = false,
    ): Promise<string> => {
      const target = pool.target(name);
      await backend.mount(place, of, target, { readOnly, flags: ['nosuid'] }, WORK);
      return target;
    };
    // Root of this machine may lack a capability.
    const online = !features.ownFileSystem || growsMounted(shape.fsType);
    if (!online) process.stderr.write(`skipped: ${kinds}: growing in use needs CAP_SYS_RESOURCE\n`);
    const larger: Shape = { ...shape, size: shape.size + 64 * MIB };

    test('a volume from its beginning to its end, every step twice', async () => {
      const place = pool.place('v');
      await backend.create(place, shape, WORK);
      await backend.create(place, shape, WORK);
      const target = await mountAt(place, 'a');
      const sum = plantFile(`${target}/file`);
      await mountAt(place, 'a');
      expect(readMounts().filter((mount) => mount.target === target)).toHaveLength(1);
      expect(readMounts().find((mount) => mount.target === target)?.options).toContain('nosuid');
      expect(hashOf(`${target}/file`)).toBe(sum);
      expect(await backend.condition(place, shape)).toBeUndefined();
      unmount(target);
      await backend.detach(place);
      await backend.detach(place);
      expect(backend.device(place)).toBeUndefined();
      // With data in it, it is never made anew.
      await backend.create(place, shape, WORK);
      await mountAt(place, 'a');
      expect(hashOf(`${target}/file`)).toBe(sum);
      unmount(target);
      await backend.detach(place);
      await backend.remove(place, WORK);
      await backend.remove(place, WORK);
      expect(readdirSync(place)).toEqual([]);
    });

    test.skipIf(!features.enforcesSize)('a volume takes what it has room for, and no more', async () => {
      const place = pool.place('v');
      await backend.create(place, shape, WORK);
      const target = await mountAt(place, 'a');
      const usage = await backend.usage(place, shape, target);
      expect(usage.totalBytes).toBeLessThanOrEqual(shape.size);
      expect(usage.totalBytes).toBeGreaterThan(shape.size / 2);
      // As root of a pod: without what lets the machine's root past ext4's quotas.
      const fill = (size: number): string =>
        tryRun('setpriv', '--bounding-set=-sys_resource', 'fallocate', '-l', String(size), `${target}/fill`);
      expect(fill(Math.floor(usage.availableBytes / 2 / MIB) * MIB)).toBe('');
      expect(fill(shape.size + MIB)).toMatch(/No space left|Disk quota exceeded/);
      // Nobody else's room is gone.
      const other = pool.place('w');
      await backend.create(other, shape, WORK);
      const sum = plantFile(`${await mountAt(other, 'b')}/file`);
      expect(hashOf(`${pool.target('b')}/file`)).toBe(sum);
    });

    test.skipIf(!features.snapshots)('a copy of one in use', async () => {
      const [place, copy] = [pool.place('v'), pool.place('copy')];
      await backend.create(place, shape, WORK);
      const target = await mountAt(place, 'a');
      const sum = plantFile(`${target}/file`);
      await backend.copy(copy, shape, { place, shape }, WORK);
      await backend.copy(copy, shape, { place, shape }, WORK);
      writeFileSync(`${target}/later`, 'not in the copy', { flush: true });
      writeFileSync(`${target}/file`, 'changed', { flush: true });
      const mounted = await mountAt(copy, 'b');
      expect(hashOf(`${mounted}/file`)).toBe(sum);
      expect(existsSync(`${mounted}/later`)).toBe(false);
      writeFileSync(`${mounted}/own`, 'of the copy', { flush: true });
      expect(existsSync(`${target}/own`)).toBe(false);
      expect(await backend.condition(copy, shape)).toBeUndefined();
      // The source can go before the copy, even half way.
      unmount(target);
      await backend.detach(place);
      await backend.remove(place, WORK);
      expect(hashOf(`${mounted}/file`)).toBe(sum);
    });

    test.skipIf(!features.snapshots)('a larger copy of one that is not in use', async () => {
      const [place, copy] = [pool.place('v'), pool.place('copy')];
      await backend.create(place, shape, WORK);
      const target = await mountAt(place, 'a');
      const sum = plantFile(`${target}/file`);
      const before = await backend.usage(place, shape, target);
      unmount(target);
      await backend.detach(place);
      const told: number[] = [];
      await backend.copy(copy, larger, { place, shape }, { ...WORK, progress: (done) => told.push(done) });
      expect(told).toEqual(told.toSorted((a, b) => a - b));
      const mounted = await mountAt(copy, 'b', larger);
      expect(hashOf(`${mounted}/file`)).toBe(sum);
      if (!features.enforcesSize) return;
      const after = await backend.usage(copy, larger, mounted);
      expect(after.totalBytes).toBeGreaterThan(before.totalBytes + 32 * MIB);
    });

    test('made larger in use, and while it is not', async () => {
      const place = pool.place('v');
      await backend.create(place, shape, WORK);
      const target = await mountAt(place, 'a');
      const sum = plantFile(`${target}/file`);
      const before = await backend.usage(place, shape, target);
      await backend.expand(place, larger, WORK);
      if (online) await backend.growMounted(place, larger, target, WORK);
      if (online) await backend.growMounted(place, larger, target, WORK);
      const after = await backend.usage(place, larger, target);
      if (features.enforcesSize && online)
        expect(after.totalBytes).toBeGreaterThan(before.totalBytes + 32 * MIB);
      unmount(target);
      await backend.detach(place);
      const largest = { ...larger, size: larger.size + 64 * MIB };
      await backend.expand(place, largest, WORK);
      await backend.expand(place, largest, WORK);
      await mountAt(place, 'a', largest);
      const last = await backend.usage(place, largest, target);
      if (features.enforcesSize) expect(last.totalBytes).toBeGreaterThan(after.totalBytes + 32 * MIB);
      expect(hashOf(`${target}/file`)).toBe(sum);
    });

    test('read-only, nothing is written; where something else is mounted, it is not', async () => {
      const place = pool.place('v');
      await backend.create(place, shape, WORK);
      const target = await mountAt(place, 'a');
      const sum = plantFile(`${target}/file`);
      unmount(target);
      await mountAt(place, 'a', shape, true);
      expect(() => writeFileSync(`${target}/file`, 'x')).toThrow('EROFS');
      expect(hashOf(`${target}/file`)).toBe(sum);
      const other = pool.place('w');
      await backend.create(other, shape, WORK);
      await expect(mountAt(other, 'a')).rejects.toThrow('EBUSY');
      expect(hashOf(`${target}/file`)).toBe(sum);
      expect(backend.device(other)).toBeUndefined();
    });

    test('an option that there is not leaves nothing mounted', async () => {
      const place = pool.place('v');
      await backend.create(place, shape, WORK);
      const target = pool.target('a');
      const wrong = { readOnly: false, flags: ['no-such-option'] };
      await expect(backend.mount(place, shape, target, wrong, WORK)).rejects.toThrow('EINVAL');
      expect(readMounts().some((mount) => mount.target === target)).toBe(false);
      expect(backend.device(place)).toBeUndefined();
    });

    test.skipIf(kind === 'tmpfs' || shape.thin || !features.enforcesSize)(
      'what is larger than the pool is refused, and nothing is left of it',
      async () => {
        const place = pool.place('v');
        const huge = { ...shape, size: 64 * 1024 * MIB };
        if (!features.ownFileSystem) return;
        await expect(backend.create(place, huge, WORK)).rejects.toThrow('ENOSPC');
        expect(readdirSync(place)).toEqual([]);
        await backend.create(place, shape, WORK);
        await expect(backend.expand(place, huge, WORK)).rejects.toThrow('ENOSPC');
        const target = await mountAt(place, 'a');
        expect((await backend.usage(place, shape, target)).totalBytes).toBeLessThanOrEqual(shape.size);
      },
    );
  });
}
