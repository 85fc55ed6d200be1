import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { freshNetns, run } from '../../../conformance/testing/netns.ts';
import { readMounts } from '../../../shared/sys/mounts.ts';
import { backendContract, MIB, WORK } from './contract.ts';
import { DirectoryBackend } from './directory.ts';
import { TestPool } from './testing/pool.ts';

const available = freshNetns();
const backend = new DirectoryBackend();
const shape = { size: 64 * MIB, thin: false, access: 'mount', fsType: 'ext4' } as const;

for (const pool of ['ext4', 'xfs', 'btrfs', 'tmpfs'] as const)
  backendContract(available, { backend, pool, shape });

describe.skipIf(!available)('what a kill leaves of a directory', () => {
  test('is made anew, and a mount without its options gets them', async () => {
    using pool = new TestPool('ext4');
    const [place, copy, target] = [pool.place('v'), pool.place('copy'), pool.target('a')];
    mkdirSync(`${place}/data.new/half`, { recursive: true });
    await backend.create(place, shape, WORK);
    expect(readdirSync(`${place}/data`)).toEqual([]);
    expect(existsSync(`${place}/data.new`)).toBe(false);
    run('mount', '--bind', `${place}/data`, target);
    await backend.mount(place, shape, target, { readOnly: true, flags: ['noexec'] });
    const mounts = readMounts().filter((mount) => mount.target === target);
    expect(mounts).toHaveLength(1);
    expect(mounts[0]?.options).toEqual(expect.arrayContaining(['ro', 'noexec']));
    writeFileSync(`${place}/data/file`, 'x');
    mkdirSync(`${copy}/data.new/half`, { recursive: true });
    await backend.copy(copy, shape, { place, shape }, WORK);
    expect(readdirSync(`${copy}/data`)).toEqual(['file']);
    await pool.clear(backend);
  });

  test('a removal goes on, and what was removed is told to be missing', async () => {
    using pool = new TestPool('ext4');
    const place = pool.place('v');
    mkdirSync(`${place}/data.new/half`, { recursive: true });
    expect(await backend.condition(place, shape)).toBe('its directory is missing');
    await backend.remove(place, WORK);
    expect(readdirSync(place)).toEqual([]);
    await pool.clear(backend);
  });

  test('pods with any user may write to it', async () => {
    using pool = new TestPool('ext4');
    const place = pool.place('v');
    await backend.create(place, shape, WORK);
    expect(statSync(`${place}/data`).mode & 0o7777).toBe(0o777);
    await pool.clear(backend);
  });
});
