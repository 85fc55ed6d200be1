import { expect, test } from 'vitest';
import { freshNetns } from '../../../conformance/testing/netns.ts';
import { backendContract, MIB } from './contract.ts';
import { QuotaBackend } from './quota.ts';
import { type PoolKind, TestPool } from './testing/pool.ts';

const available = freshNetns();
const backend = new QuotaBackend();
const shape = { size: 64 * MIB, thin: false, access: 'mount', fsType: 'ext4' } as const;

for (const kind of ['ext4', 'xfs'] as const) {
  const reason = await whyNot(kind);
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
