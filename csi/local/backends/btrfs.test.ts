import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { freshNetns, run } from '../../../conformance/testing/netns.ts';
import { enableSimpleQuotas } from '../../../shared/sys/btrfs.ts';
import { unmount } from '../../../shared/sys/mount.ts';
import { BtrfsBackend } from './btrfs.ts';
import { backendContract, MIB, WORK } from './contract.ts';
import { openDirectory } from './directory.ts';
import { TestPool } from './testing/pool.ts';

const available = freshNetns();
const backend = new BtrfsBackend();
const shape = { size: 64 * MIB, thin: false, access: 'mount', fsType: 'btrfs' } as const;

backendContract(available, {
  backend,
  pool: 'btrfs',
  shape,
  prepare: (pool) => void run('btrfs', 'quota', 'enable', pool),
});

const simple = simpleQuotas();
if (simple !== undefined) process.stderr.write(`skipped: simple quotas of btrfs: ${simple}\n`);
backendContract(available && simple === undefined, {
  backend,
  pool: 'btrfs',
  shape: { ...shape, size: 96 * MIB },
  prepare: enableSimple,
});

function enableSimple(pool: string): void {
  using directory = openDirectory(pool);
  enableSimpleQuotas(directory.fd);
}

/** Why there are none here. */
function simpleQuotas(): string | undefined {
  if (!available) return 'kernel tests cannot run';
  using pool = new TestPool('btrfs');
  try {
    enableSimple(pool.path);
    return undefined;
  } catch (error) {
    return String(error);
  }
}

describe.skipIf(!available)('btrfs', () => {
  test('it works on btrfs with quotas only, and says so', async () => {
    using ext4 = new TestPool('ext4');
    expect(await backend.check(ext4.path)).toBe('its file system is not btrfs');
    using pool = new TestPool('btrfs');
    expect(await backend.check(pool.path)).toContain('btrfs quota enable');
  });

  test('subvolumes that a pod made in its volume go with it, read-only ones too', async () => {
    using pool = new TestPool('btrfs');
    run('btrfs', 'quota', 'enable', pool.path);
    const place = pool.place('v');
    await backend.create(place, shape, WORK);
    const target = pool.target('a');
    await backend.mount(place, shape, target, { readOnly: false, flags: [] });
    mkdirSync(`${target}/deep`);
    run('btrfs', 'subvolume', 'create', `${target}/deep/nested`);
    writeFileSync(`${target}/deep/nested/file`, 'x');
    run('btrfs', 'subvolume', 'snapshot', '-r', `${target}/deep/nested`, `${target}/kept`);
    unmount(target);
    await backend.remove(place, WORK);
    expect(existsSync(`${place}/data`)).toBe(false);
    const left = spawnSync('btrfs', ['subvolume', 'list', pool.path], { encoding: 'utf8' });
    expect(left.stdout).toBe('');
  });

  test('what a kill left half made is made anew, and one without a limit gets it', async () => {
    using pool = new TestPool('btrfs');
    run('btrfs', 'quota', 'enable', pool.path);
    const place = pool.place('v');
    run('btrfs', 'subvolume', 'create', `${place}/data.new`);
    writeFileSync(`${place}/data.new/file`, 'of the first attempt');
    await backend.create(place, shape, WORK);
    expect(existsSync(`${place}/data/file`)).toBe(false);
    expect(existsSync(`${place}/data.new`)).toBe(false);
    expect(await backend.condition(place, shape)).toBeUndefined();
    const copy = pool.place('copy');
    run('btrfs', 'subvolume', 'snapshot', `${place}/data`, `${copy}/data.new`);
    await backend.copy(copy, shape, { place, shape }, WORK);
    expect(await backend.condition(copy, shape)).toBeUndefined();
    await pool.clear(backend);
  });
});
