import { freshNetns } from '../../../conformance/testing/netns.ts';
import { backendContract } from './contract.ts';
import { LoopBackend } from './loop.ts';
import { shapeOf } from './testing/shapes.ts';

const available = freshNetns();
const backend = new LoopBackend();

// Without reflinks and with them; all other pools and file systems: loop.ci.test.ts.
backendContract(available, { backend, pool: 'ext4', shape: shapeOf('ext4') });
backendContract(available, { backend, pool: 'xfs', shape: { ...shapeOf('xfs'), thin: true } });
backendContract(available, { backend, pool: 'btrfs', shape: shapeOf('btrfs') });
