import { freshNetns } from '../../../conformance/testing/netns.ts';
import { backendContract, MIB } from './contract.ts';
import { DirectoryBackend } from './directory.ts';

const available = freshNetns();
const backend = new DirectoryBackend();
const shape = { size: 64 * MIB, thin: false, access: 'mount', fsType: 'ext4' } as const;

for (const pool of ['ext4', 'xfs', 'btrfs', 'tmpfs'] as const)
  backendContract(available, { backend, pool, shape });
