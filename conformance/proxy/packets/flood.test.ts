import { afterAll, describe, expect, test } from 'vitest';
import { NftablesMode } from '../../../cni/proxy/nftables/nftables-mode.ts';
import { KernelNftables } from '../../../shared/nftables/kernel.ts';
import { freshNetns } from '../../testing/netns.ts';
import { slowness } from '../../testing/slowness.ts';
import { Cluster } from './cluster.ts';
import { flood } from './flood.ts';
import { realClock } from './real-clock.ts';
import { settingsOf } from './rows.ts';

const available = freshNetns();
const cluster = available ? new Cluster() : undefined;

describe.skipIf(!available)('endpoints that go while connections pour in', () => {
  const nft = KernelNftables.open();
  afterAll(() => {
    cluster?.[Symbol.dispose]();
    nft[Symbol.dispose]();
  });

  test('leave no packet without an endpoint', async () => {
    using mode = new NftablesMode(settingsOf(4), nft, realClock);
    const result = await flood(mode, 3);
    process.stderr.write(`flood: ${JSON.stringify(result)}\n`);
    expect(result.untranslated).toBe(0);
    expect(result.translated).toBeGreaterThan(1000);
    // In an emulated machine the sender leaves little of the processor to others.
    expect(result.removals).toBeGreaterThan(slowness > 1 ? 1 : 100);
  }, 60_000);
});
