/** The pools and file systems that loop.test.ts leaves out. */

import { freshNetns } from '../../../conformance/testing/netns.ts';
import { backendContract } from './contract.ts';
import { LoopBackend } from './loop.ts';
import { shapeOf } from './testing/shapes.ts';

const available = freshNetns();
const backend = new LoopBackend();

for (const pool of ['xfs', 'btrfs', 'tmpfs'] as const)
  backendContract(available, { backend, pool, shape: shapeOf('ext4') });
for (const pool of ['ext4', 'xfs', 'btrfs'] as const)
  backendContract(available, { backend, pool, shape: shapeOf('xfs') });
for (const pool of ['ext4', 'xfs'] as const)
  backendContract(available, { backend, pool, shape: shapeOf('btrfs') });
for (const fsType of ['ext4', 'btrfs'] as const)
  backendContract(available, { backend, pool: 'ext4', shape: { ...shapeOf(fsType), thin: true } });
