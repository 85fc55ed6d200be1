import { describe, expect, test } from 'vitest';
import { freshNetns, run } from '../../../conformance/testing/netns.ts';
import { systemClock } from '../../../shared/daemon/clock.ts';
import { Ports, port, settings } from '../testing/ports.ts';
import { until } from '../testing/until.ts';
import { NftablesKit } from './nftables.ts';

describe.skipIf(!freshNetns())('nftables in the kernel', () => {
  test("its own changes are told from others', sweeping included; an empty kernel from one that has its table", async () => {
    using kit = new NftablesKit(systemClock);
    using mode = kit.create(settings(4), () => {});
    const web = (...endpoints: string[]) =>
      port({ name: 'default/web', frontends: ['cluster-ip 10.96.0.1:80'], endpoints });
    let foreign = 0;
    using _ = await kit.watch(
      4,
      () => (foreign += 1),
      () => {},
    );
    expect([kit.isEmpty(4), kit.isEmpty(6)]).toEqual([true, true]);
    await mode.replace(new Ports(web('10.244.1.1:80', '10.244.1.2:80')));
    expect([kit.isEmpty(4), kit.isEmpty(6)]).toEqual([false, true]);
    await mode.update(new Ports(web('10.244.1.2:80')), new Set(['default/web']));
    await mode.update(new Ports(web()), new Set(['default/web']));
    await mode.update(new Ports(web()), new Set());
    // What nobody reaches any more goes a second later.
    await until(
      'the sweep',
      () => !run('nft', 'list', 'map', 'ip', 'underpod-proxy', 'slots').includes('10.244.1.2'),
      5000,
    );
    run('nft', 'add', 'table', 'ip', 'somebody');
    run('nft', 'add', 'chain', 'ip', 'underpod-proxy', 'foreign');
    await until('the foreign change', () => foreign > 0);
    expect(foreign).toBe(1);
  });
});
