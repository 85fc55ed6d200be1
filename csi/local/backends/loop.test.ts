import { freshNetns } from '../../../conformance/testing/netns.ts';
import type { FsType, Shape } from './backend.ts';
import { backendContract, MIB } from './contract.ts';
import { LoopBackend } from './loop.ts';

const available = freshNetns();
const backend = new LoopBackend();

const SIZES: Readonly<Record<FsType, number>> = { ext4: 32 * MIB, xfs: 320 * MIB, btrfs: 256 * MIB };

function shapeOf(fsType: FsType, thin = false): Shape {
  return { size: SIZES[fsType], thin, access: 'mount', fsType };
}

for (const pool of ['ext4', 'xfs', 'btrfs'] as const)
  for (const fsType of ['ext4', 'xfs', 'btrfs'] as const)
    backendContract(available, { backend, pool, shape: shapeOf(fsType) });
backendContract(available, { backend, pool: 'tmpfs', shape: shapeOf('ext4') });
backendContract(available, { backend, pool: 'xfs', shape: shapeOf('ext4', true) });
