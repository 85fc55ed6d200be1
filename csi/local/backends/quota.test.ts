import { mkdirSync, readdirSync, readFileSync, renameSync, unlinkSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { freshNetns } from '../../../conformance/testing/netns.ts';
import { projectUsage } from '../../../shared/sys/project-quota.ts';
import { backendContract, MIB, WORK } from './contract.ts';
import { openDirectory } from './directory.ts';
import { QuotaBackend } from './quota.ts';
import { type PoolKind, TestPool } from './testing/pool.ts';

const available = freshNetns();
const backend = new QuotaBackend();
const shape = { size: 64 * MIB, thin: false, access: 'mount', fsType: 'ext4' } as const;

const reasons = { ext4: await whyNot('ext4'), xfs: await whyNot('xfs') };

for (const kind of ['ext4', 'xfs'] as const) {
  const reason = reasons[kind];
  if (reason !== undefined) process.stderr.write(`skipped: project quotas on ${kind}: ${reason}\n`);
  backendContract(available && reason === undefined, { backend, pool: kind, options: 'prjquota', shape });
}

/** Why this machine has no project quotas; the VM's kernel has them. */
async function whyNot(kind: PoolKind): Promise<string | undefined> {
  if (!available) return 'kernel tests cannot run';
  try {
    using pool = new TestPool(kind, 'prjquota');
    return await backend.check(pool.path);
  } catch (error) {
    return String(error).split('\n')[0];
  }
}

test.skipIf(!available)('where it does not work, it says why', async () => {
  using btrfs = new TestPool('btrfs');
  expect(await backend.check(btrfs.path)).toBe('its file system is neither XFS nor ext4');
  using xfs = new TestPool('xfs');
  expect(await backend.check(xfs.path)).toMatch(/prjquota/);
  using ext4 = new TestPool('ext4');
  expect(await backend.check(ext4.path)).toMatch(/prjquota/);
});

describe.skipIf(!available || reasons.xfs !== undefined)(
  'what a kill leaves of a volume with a project',
  () => {
    test('a directory that was begun gives its number back, and another takes it', async () => {
      using pool = new TestPool('xfs', 'prjquota');
      const [place, other] = [pool.place('v'), pool.place('w')];
      await backend.create(place, shape, WORK);
      const numberOf = (of: string): number => Number(readFileSync(`${of}/project`, 'utf8'));
      using directory = openDirectory(pool.path);
      const limitOf = (id: number): number => projectUsage(directory.fd, pool.path, id).limitBytes;
      const first = numberOf(place);
      // As far as its limit, and the number not yet recorded.
      renameSync(`${place}/data`, `${place}/data.new`);
      unlinkSync(`${place}/project`);
      await backend.create(other, shape, WORK);
      await backend.create(place, shape, WORK);
      // The same, unless XFS still counts what was removed.
      const second = numberOf(place);
      expect(numberOf(other)).not.toBe(second);
      expect([0, shape.size]).toContain(limitOf(first));
      if (second !== first) expect(limitOf(first)).toBe(0);
      // Recorded, and begun only.
      renameSync(`${place}/data`, `${place}/data.new`);
      await backend.remove(place, WORK);
      expect(readdirSync(place)).toEqual([]);
      expect(limitOf(second)).toBe(0);
      await pool.clear(backend);
    });

    test('a number whose files are there is never given to another', async () => {
      using pool = new TestPool('xfs', 'prjquota');
      const [place, other] = [pool.place('v'), `${pool.path}/others/v`];
      mkdirSync(other, { recursive: true });
      await backend.create(place, shape, WORK);
      // The same name in another directory: the same candidates.
      await backend.create(other, shape, WORK);
      const [one, two] = [place, other].map((path) => readFileSync(`${path}/project`, 'utf8'));
      expect(one).not.toBe(two);
      await backend.remove(other, WORK);
      expect(await backend.condition(place, shape)).toBeUndefined();
      await pool.clear(backend);
    });
  },
);
