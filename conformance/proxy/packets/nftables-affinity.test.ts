import { afterAll, describe, expect, test } from 'vitest';
import { layoutOf } from '../../../cni/proxy/nftables/layout.ts';
import { NftablesMode } from '../../../cni/proxy/nftables/nftables-mode.ts';
import { clientsOf } from '../../../cni/proxy/nftables/object-names.ts';
import { Ports } from '../../../cni/proxy/testing/ports.ts';
import { KernelNftables } from '../../../shared/nftables/kernel.ts';
import type { NftSet } from '../../../shared/nftables/model/set.ts';
import { Transaction } from '../../../shared/nftables/transaction.ts';
import { freshNetns } from '../../testing/netns.ts';
import { ADDRESSES, endpointOfServer, packedAddress, type Server } from './addresses.ts';
import { Cluster } from './cluster.ts';
import { realClock } from './real-clock.ts';
import { settingsOf } from './rows.ts';

const available = freshNetns();
const cluster = available ? new Cluster() : undefined;
const at = ADDRESSES[4];
const [ip] = at.clusterIps;
const NAME = 'packets/sticky';

describe.skipIf(!available)('clients that are remembered', () => {
  const nft = KernelNftables.open();
  afterAll(() => {
    cluster?.[Symbol.dispose]();
    nft[Symbol.dispose]();
  });

  const ports = (affinity: number, ...servers: Server[]): Ports =>
    new Ports({
      name: NAME,
      service: NAME,
      protocol: 'TCP',
      frontends: [{ kind: 'cluster-ip', address: packedAddress(ip), port: 80, policy: 'cluster' }],
      endpoints: servers.map((server) => endpointOfServer(at, server)),
      localEndpoints: [],
      affinity,
    });
  const ask = async () => await (cluster as Cluster).ask({ from: 'pod', to: ip, port: 80, protocol: 'tcp' });
  /** The set of an endpoint's clients as the kernel has it. */
  const clients = (server: Server): NftSet => {
    const name = clientsOf(NAME, endpointOfServer(at, server));
    const found = nft.listSets(layoutOf(4).table).find((set) => set.name === name);
    if (found?.kind !== 'set') throw new Error(`no set ${name}`);
    return found;
  };

  test('are forgotten once they stay away for long enough', async () => {
    using mode = new NftablesMode(settingsOf(4), nft, realClock);
    await mode.replace(ports(1, 'local1'));
    expect(await ask()).toMatchObject({ by: 'local1' });
    expect(nft.listElements(clients('local1'))).toMatchObject([{ timeout: 1000 }]);
    const deadline = performance.now() + 5000;
    while (nft.listElements(clients('local1')).length > 0) {
      expect(performance.now()).toBeLessThan(deadline);
      await Bun.sleep(20);
    }
    await mode.cleanUp();
  });

  test('are served where an endpoint can remember no more of them', async () => {
    using mode = new NftablesMode(settingsOf(4), nft, realClock);
    await mode.replace(ports(1000, 'local1', 'remote1'));
    for (const server of ['local1', 'remote1'] as const) {
      const set = clients(server);
      const elements = Array.from({ length: set.size ?? 0 }, (_, number) => ({
        key: Uint8Array.of(11, 0, number >> 8, number),
        timeout: 1_000_000,
      }));
      nft.run(new Transaction().addElements(set, elements));
    }
    for (let times = 0; times < 5; times += 1) expect(await ask()).toMatchObject({ source: at.clients.pod });
    expect(nft.listElements(clients('local1')).length).toBe(clients('local1').size as number);
    await mode.cleanUp();
  });

  test('stay with their endpoint when the program begins anew, and while others come and go', async () => {
    using mode = new NftablesMode(settingsOf(4), nft, realClock);
    await mode.replace(ports(1000, 'local1', 'local2', 'remote1'));
    const first = await ask();
    const by = typeof first === 'string' ? 'remote2' : first.by;
    using again = new NftablesMode(settingsOf(4), nft, realClock);
    expect(await again.replace(ports(1000, 'local1', 'local2', 'remote1'))).toMatchObject({ changes: 0 });
    const others = (['local1', 'local2', 'remote1'] as const).filter((server) => server !== by);
    for (const leaves of others) {
      const left = others.filter((server) => server !== leaves);
      await again.update(ports(1000, ...left, by, 'remote2'), new Set([NAME]));
      for (let times = 0; times < 4; times += 1) expect(await ask()).toMatchObject({ by });
    }
    // Another time for clients to be remembered is no reason to forget them.
    await again.update(ports(2000, ...others, by), new Set([NAME]));
    expect(await ask()).toMatchObject({ by });
    expect(nft.listElements(clients(by))[0]?.expires).toBeGreaterThan(1_500_000);
    await again.cleanUp();
  });
});
