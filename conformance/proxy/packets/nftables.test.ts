import { afterAll, describe } from 'vitest';
import { NftablesMode } from '../../../cni/proxy/nftables/nftables-mode.ts';
import { KernelNftables } from '../../../shared/nftables/kernel.ts';
import { freshNetns } from '../../testing/netns.ts';
import { Cluster } from './cluster.ts';
import { realClock } from './real-clock.ts';
import { packetRows } from './rows.ts';

const available = freshNetns();
const cluster = available ? new Cluster() : undefined;

describe.skipIf(!available)('packets', () => {
  const nft = KernelNftables.open();
  afterAll(() => {
    cluster?.[Symbol.dispose]();
    nft[Symbol.dispose]();
  });
  packetRows(() => cluster as Cluster, {
    name: 'nftables',
    make: (settings) => new NftablesMode(settings, nft, realClock),
  });
});
