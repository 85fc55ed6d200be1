import { describe, expect, test } from 'vitest';
import { parseNetConf } from '../config/net-conf.ts';
import { overlaps } from '../ip/cidr.ts';
import { isLeaseLost, isNameInUse, isOutOfSubnets, isTooOld } from './errors.ts';
import { ManualClock } from './manual-clock.ts';
import { LEASE_DURATION_MS, type NodeRegistry } from './registry.ts';
import { cidr, ip, LeaseWatcher, sampleNode, show } from './registry-samples.ts';
import type { PodNetworks, Random } from './subnet-allocator.ts';

/** A registry under test, and a way to see it as another node does. */
export interface RegistryHarness extends AsyncDisposable {
  readonly registry: NodeRegistry;
  /** The same registry through another handle, as another process has it. */
  readonly other: NodeRegistry;
}

export interface HarnessOptions {
  readonly networks: PodNetworks;
  readonly clock: ManualClock;
  readonly random: Random;
}

/** What a registry cannot do, and the suite therefore does not ask of it. */
export interface RegistryLimits {
  /**
   * It has no names: flannel's layout in etcd knows a node by its public address. So two machines of one name are two
   * nodes, and one that moved is known again by its instance only.
   */
  readonly noNames?: boolean;
  /** It does not say whether a lease was deleted or ran out: etcd sends the same event for both. */
  readonly noReasons?: boolean;
  /** Its leases end by a clock of its own, as a real server's do, which no test can move. */
  readonly ownClock?: boolean;
  /** Its leases have no end. */
  readonly noExpiry?: boolean;
  /** Somebody else gives the subnets out: what is wanted does not count. */
  readonly noChoice?: boolean;
  /** A name is one machine, by what guards the names. */
  readonly oneOfAName?: boolean;
}

const v4 = '{"Network":"10.244.0.0/16"}';
const dual = '{"Network":"10.244.0.0/16","EnableIPv6":true,"IPv6Network":"fd00:244::/48"}';

/** The contract of NodeRegistry, run against every implementation. */
export function describeNodeRegistry(
  name: string,
  make: (options: HarnessOptions) => Promise<RegistryHarness>,
  limits: RegistryLimits = {},
): void {
  const expired = limits.noReasons ? 'deleted' : 'expired';
  const hasEnds = !limits.ownClock && !limits.noExpiry;
  const expiry = (clock: ManualClock): number =>
    limits.noExpiry ? Number.POSITIVE_INFINITY : clock.now().wallMs + LEASE_DURATION_MS;
  const start = (
    conf: string,
    random: Random = () => 0,
  ): { clock: ManualClock; harness: Promise<RegistryHarness> } => {
    const clock = new ManualClock();
    return { clock, harness: make({ networks: parseNetConf(conf), clock, random }) };
  };

  describe(`${name}: acquire`, () => {
    test('gives a subnet of each family, with everything the node said', async () => {
      const { clock, harness } = start(dual);
      await using h = await harness;
      const info = sampleNode('a', 1);
      const { name: node, ...published } = info;
      const lease = await h.registry.acquire(info);
      expect(lease).toEqual({
        node,
        ...published,
        subnet: cidr('10.244.1.0/24'),
        subnetV6: cidr('fd00:244:0:1::/64'),
        expiresAt: expiry(clock),
      });
      const list = await h.other.list();
      expect(list.leases).toEqual([lease]);
      // The same memory to whoever asks, however it changes.
      const { epoch } = await h.registry.list();
      expect([typeof epoch, list.epoch, list.rebuiltAt]).toEqual(['string', epoch, undefined]);
    });

    test('gives nodes without IPv4 subnets of their own', async () => {
      const { harness } = start('{"EnableIPv4":false,"EnableIPv6":true,"IPv6Network":"fd00:244::/48"}');
      await using h = await harness;
      expect(show(await h.registry.acquire(sampleNode('a', 1)))).toMatch(/^a \S*fd00:244:0:1::\/64$/);
      expect(show(await h.other.acquire(sampleNode('b', 2)))).toMatch(/^b \S*fd00:244:0:2::\/64$/);
    });

    test('keeps backend data as it is, or absent', async () => {
      const { harness } = start(v4);
      await using h = await harness;
      const data = { PublicKey: 'ä"\\', Port: 51820, deep: [{ x: null }] };
      await h.registry.acquire(sampleNode('a', 1, { backend: { type: 'wireguard', data } }));
      await h.registry.acquire({ name: 'b', backend: { type: 'host-gw' } });
      const { leases } = await h.registry.list();
      expect(leases.map((lease) => lease.backend)).toEqual([
        { type: 'wireguard', data },
        { type: 'host-gw' },
      ]);
      expect(leases[1]).not.toHaveProperty('publicIp');
      expect(leases[1]).not.toHaveProperty('subnetV6');
    });

    test.skipIf(limits.noChoice)(
      'the subnet on record wins over the wanted one, the wanted one over a random one',
      async () => {
        const { harness } = start(dual, (below) => below - 1);
        await using h = await harness;
        const want = { subnet: cidr('10.244.7.0/24') };
        expect(show(await h.registry.acquire(sampleNode('a', 1), want))).toBe(
          'a 10.244.7.0/24 fd00:244:0:64::/64',
        );
        const other = { subnet: cidr('10.244.9.0/24'), subnetV6: cidr('fd00:244:0:9::/64') };
        expect(show(await h.other.acquire(sampleNode('a', 1), other))).toBe(
          'a 10.244.7.0/24 fd00:244:0:64::/64',
        );
      },
    );

    test.skipIf(limits.noChoice)(
      "another node's subnet and one that does not fit are passed over",
      async () => {
        const { harness } = start(v4);
        await using h = await harness;
        const want = { subnet: cidr('10.244.1.0/24') };
        await h.registry.acquire(sampleNode('a', 1), want);
        expect(show(await h.other.acquire(sampleNode('b', 2), want))).toBe('b 10.244.2.0/24');
        const odd = { subnet: cidr('10.99.0.0/24') };
        expect(show(await h.other.acquire(sampleNode('c', 3), odd))).toBe('c 10.244.3.0/24');
      },
    );

    test('nodes that join at once get subnets of their own', async () => {
      const { harness } = start(dual);
      await using h = await harness;
      const leases = await Promise.all(
        Array.from({ length: 20 }, (_, n) => (n % 2 ? h.registry : h.other).acquire(sampleNode(`n${n}`, n))),
      );
      for (const [index, lease] of leases.entries()) {
        for (const other of leases.slice(index + 1)) {
          expect(lease.subnet && other.subnet && overlaps(lease.subnet, other.subnet)).toBe(false);
          expect(lease.subnetV6 && other.subnetV6 && overlaps(lease.subnetV6, other.subnetV6)).toBe(false);
        }
      }
    });

    test.skipIf(limits.noChoice)(
      'a full network is an error, and has room again after a release',
      async () => {
        const { harness } = start('{"Network":"10.0.0.0/28"}');
        await using h = await harness;
        for (const n of [1, 2, 3]) await h.registry.acquire(sampleNode(`n${n}`, n));
        const full = await h.registry.acquire(sampleNode('n4', 4)).catch((error: unknown) => error);
        expect(isOutOfSubnets(full)).toBe(true);
        expect(await h.registry.release('n2')).toBe(true);
        expect(show(await h.registry.acquire(sampleNode('n4', 4)))).toBe('n4 10.0.0.8/30');
      },
    );

    test.skipIf(limits.noNames || limits.oneOfAName)(
      'a second machine of the same name is refused; a node that moved or was reinstalled is not',
      async () => {
        const { harness } = start(v4);
        await using h = await harness;
        await h.registry.acquire(sampleNode('a', 1, { instance: 'one' }));
        const clash = await h.other
          .acquire(sampleNode('a', 2, { instance: 'two' }))
          .catch((error: unknown) => error);
        expect(isNameInUse(clash)).toBe(true);
        expect(show(await h.other.acquire(sampleNode('a', 2, { instance: 'one' })))).toBe('a 10.244.1.0/24');
        expect(show(await h.other.acquire(sampleNode('a', 2, { instance: 'three' })))).toBe(
          'a 10.244.1.0/24',
        );
        const renewal = await h.registry
          .renew(sampleNode('a', 1, { instance: 'one' }))
          .catch((error: unknown) => error);
        expect(isLeaseLost(renewal)).toBe(true);
      },
    );
  });

  describe(`${name}: leases end`, () => {
    test('a renewal prolongs and publishes, and keeps the subnets', async () => {
      const { clock, harness } = start(dual);
      await using h = await harness;
      const { subnet, subnetV6 } = await h.registry.acquire(sampleNode('a', 1));
      clock.advance(LEASE_DURATION_MS - 1);
      const backend = { type: 'vxlan', data: { VNI: 1, VtepMAC: 'new' }, v6Data: null };
      const renewed = await h.registry.renew(sampleNode('a', 5, { backend }));
      expect(renewed.expiresAt).toBe(expiry(clock));
      expect([renewed.subnet, renewed.subnetV6, renewed.publicIp]).toEqual([
        subnet,
        subnetV6,
        ip('192.0.2.5'),
      ]);
      clock.advance(LEASE_DURATION_MS - 1);
      const { leases } = await h.other.list();
      expect(leases.map((lease) => lease.backend.data)).toEqual([{ VNI: 1, VtepMAC: 'new' }]);
    });

    test.runIf(hasEnds)(
      'after its time a lease is not listed, cannot be renewed, and its subnet is free',
      async () => {
        const { clock, harness } = start('{"Network":"10.0.0.0/28"}');
        await using h = await harness;
        for (const n of [1, 2, 3]) await h.registry.acquire(sampleNode(`n${n}`, n));
        clock.advance(LEASE_DURATION_MS);
        expect((await h.other.list()).leases).toEqual([]);
        expect(
          isLeaseLost(await h.registry.renew(sampleNode('n1', 1)).catch((error: unknown) => error)),
        ).toBe(true);
        expect(show(await h.other.acquire(sampleNode('n4', 4)))).toBe('n4 10.0.0.4/30');
      },
    );

    test.runIf(!limits.noExpiry)('setting the clock ends no lease', async () => {
      const { clock, harness } = start(v4);
      await using h = await harness;
      await h.registry.acquire(sampleNode('a', 1));
      clock.setWall(clock.now().wallMs + 50 * 365 * LEASE_DURATION_MS);
      const [lease] = (await h.other.list()).leases;
      expect(lease?.expiresAt).toBe(clock.now().wallMs + LEASE_DURATION_MS);
    });

    test('releasing what is not there is no error', async () => {
      const { harness } = start(v4);
      await using h = await harness;
      expect(await h.registry.release('nobody')).toBe(false);
    });
  });

  describe(`${name}: watch`, () => {
    test('tells of joins, changes and leaves after the version, through another handle', async () => {
      const { harness } = start(v4);
      await using h = await harness;
      await h.registry.acquire(sampleNode('a', 1));
      await using watcher = new LeaseWatcher(h.other, (await h.other.list()).version);
      let next = watcher.texts();
      await h.registry.acquire(sampleNode('b', 2));
      expect(await next).toEqual(['set b 10.244.2.0/24']);
      next = watcher.texts();
      await h.registry.renew(sampleNode('a', 9));
      expect(await next).toEqual(['set a 10.244.1.0/24']);
      next = watcher.texts();
      await h.registry.release('b');
      expect(await next).toEqual(['removed b deleted']);
    });

    test('tells of everything since a version that is in the past', async () => {
      const { harness } = start(v4);
      await using h = await harness;
      await h.registry.acquire(sampleNode('a', 1));
      const { version } = await h.registry.list();
      await h.registry.release('a');
      await h.registry.acquire(sampleNode('b', 2));
      await using watcher = new LeaseWatcher(h.other, version);
      const told: string[] = [];
      while (told.length < 2) told.push(...(await watcher.texts()));
      // Without names, two that had the same subnet one after the other are the same one.
      const removed = limits.noNames ? 'removed b deleted' : 'removed a deleted';
      expect(told.sort()).toEqual([removed, 'set b 10.244.1.0/24']);
    });

    test('can be resumed from the version of a batch', async () => {
      const { harness } = start(v4);
      await using h = await harness;
      await using first = new LeaseWatcher(h.registry, (await h.registry.list()).version);
      await h.other.acquire(sampleNode('a', 1));
      expect(await first.texts()).toEqual(['set a 10.244.1.0/24']);
      await h.other.acquire(sampleNode('b', 2));
      await using second = new LeaseWatcher(h.registry, first.version);
      expect(await second.texts()).toEqual(['set b 10.244.2.0/24']);
    });

    test.runIf(hasEnds)('tells of a lease that runs out, at that moment', async () => {
      const { clock, harness } = start(v4);
      await using h = await harness;
      await h.registry.acquire(sampleNode('a', 1));
      clock.advance(1000);
      await h.registry.acquire(sampleNode('b', 2));
      await using watcher = new LeaseWatcher(h.other, (await h.other.list()).version);
      let next = watcher.texts();
      clock.advance(LEASE_DURATION_MS - 1000);
      expect(await next).toEqual([`removed a ${expired}`]);
      next = watcher.texts();
      clock.advance(1000);
      expect(await next).toEqual([`removed b ${expired}`]);
    });

    test.runIf(!limits.noExpiry)('a renewed lease does not run out at its first end', async () => {
      const { clock, harness } = start(v4);
      await using h = await harness;
      await h.registry.acquire(sampleNode('a', 1));
      await using watcher = new LeaseWatcher(h.other, (await h.other.list()).version);
      let next = watcher.texts();
      clock.advance(LEASE_DURATION_MS - 1000);
      await h.registry.renew(sampleNode('a', 1));
      expect(await next).toEqual(['set a 10.244.1.0/24']);
      next = watcher.texts();
      clock.advance(LEASE_DURATION_MS - 1);
      await h.registry.acquire(sampleNode('b', 2));
      expect(await next).toEqual(['set b 10.244.2.0/24']);
    });

    test('ends without an error when it is aborted', async () => {
      const { harness } = start(v4);
      await using h = await harness;
      await using watcher = new LeaseWatcher(h.registry, (await h.registry.list()).version);
      const next = watcher.next();
      watcher.abort();
      expect(await next).toEqual([]);
    });

    test('from a version that was never given out is too old', async () => {
      const { harness } = start(v4);
      await using h = await harness;
      await using watcher = new LeaseWatcher(h.registry, 'nonsense');
      expect(isTooOld(await watcher.next().catch((error: unknown) => error))).toBe(true);
    });
  });
}
