import { freshNetns } from '../../../conformance/testing/netns.ts';
import { backendContract } from './contract.ts';
import { LoopBackend } from './loop.ts';
import { shapeOf } from './testing/shapes.ts';

const available = freshNetns();
const backend = new LoopBackend();

for (const pool of ['ext4', 'xfs', 'btrfs', 'tmpfs'] as const)
  backendContract(available, { backend, pool, shape: shapeOf('ext4') });
backendContract(available, { backend, pool: 'xfs', shape: shapeOf('xfs') });
backendContract(available, { backend, pool: 'btrfs', shape: shapeOf('btrfs') });
backendContract(available, { backend, pool: 'xfs', shape: { ...shapeOf('ext4'), thin: true } });
