import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { FakeClock } from '../../shared/daemon/fake-clock.ts';
import { parseCidr } from '../../shared/ip/cidr.ts';
import { parseIp } from '../../shared/ip/ip.ts';
import { silentLogger } from '../../shared/log/logger.ts';
import type { NodeLease } from '../../shared/store/registry.ts';
import { desiredNetwork } from './backends/desired.ts';
import { createBackend } from './backends/registry.ts';
import { setting } from './backends/test-backend.ts';
import { FakeKernel } from './kernel/fake-kernel.ts';
import type { PeerView } from './leases/peer-set.ts';
import { Repairs } from './loop/repairs.ts';
import { planNetwork } from './network/plan.ts';
import { type NetworkInput, NetworkSync } from './network-sync.ts';
import type { AgentOptions } from './options.ts';
import type { Underlay } from './underlay.ts';

const cidr = (text: string): NonNullable<ReturnType<typeof parseCidr>> => parseCidr(text)!;
const ip = (text: string): NonNullable<ReturnType<typeof parseIp>> => parseIp(text)!;
const own = ip('192.0.2.1');
const underlays: { v4: Underlay } = {
  v4: { family: 4, index: 2, name: 'eth0', mtu: 1500, address: own, publicIp: own },
};
const backend = createBackend({ type: 'vxlan', options: {} }, setting({ v4: true, v6: false }));

function lease(node: string, subnet: number, mac: number, expiresAt = 0): NodeLease {
  return {
    node,
    subnet: cidr(`10.244.${subnet}.0/24`),
    publicIp: ip(`192.0.2.${subnet}`),
    backend: { type: 'vxlan', data: { VNI: 1, VtepMAC: `0a:00:00:00:00:${String(mac).padStart(2, '0')}` } },
    expiresAt,
  };
}
const self = lease('self', 1, 1);

let version = 0;
/** Of these peers, of which nothing is known but what they are. */
function input(peers: readonly NodeLease[], more: Partial<NetworkInput> = {}): NetworkInput {
  version += 1;
  const view: PeerView = { version, leases: peers, changedSince: () => undefined };
  return { lease: self, peers: view, version, underlays, complete: true, ...more };
}

function setUp(before?: FakeKernel): { kernel: FakeKernel; sync: NetworkSync } {
  const kernel = before ?? new FakeKernel();
  if (!before) kernel.network.addLink('eth0', [cidr('192.0.2.1/24')]);
  const clock = new FakeClock();
  const repairs = new Repairs({ clock, log: silentLogger, count: () => {}, onPutOff: () => {} });
  const options = { rules: { blackhole: false } } as AgentOptions;
  const sync = new NetworkSync({
    kernel,
    clock,
    log: silentLogger,
    backend,
    repairs,
    options,
    formerDevices: [],
  });
  return { kernel, sync };
}

/** What a look at everything would still change. */
function missing(kernel: FakeKernel, peers: readonly NodeLease[]): number {
  const { network } = desiredNetwork(backend, { lease: self, underlays, peers, direct: () => undefined });
  return planNetwork(network, kernel.readNetwork(backend.devices)).length;
}

test('without a first look at everything, or with another lease, there is nothing to go by', () => {
  const { sync } = setUp();
  expect(sync.syncPeers(input([]))).toBeUndefined();
  sync.sync(input([]));
  expect(sync.syncPeers(input([], { lease: lease('self', 9, 1) }))).toBeUndefined();
  expect(sync.syncPeers(input([], { lease: self, underlays: { ...underlays } }))).toBeUndefined();
  expect(sync.syncPeers(input([], { lease: { ...self, expiresAt: 5 } }))?.changes).toBe(0);
});

test('whatever joins, leaves and changes between two runs, the kernel ends as a look at everything would have it', () => {
  const anyPeers = fc
    .uniqueArray(
      fc.record({
        node: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
        subnet: fc.integer({ min: 2, max: 5 }),
        mac: fc.integer({ min: 2, max: 5 }),
        expiresAt: fc.integer({ min: 0, max: 1 }),
      }),
      { selector: ({ node }) => node },
    )
    .map((all) => all.map(({ node, subnet, mac, expiresAt }) => lease(node, subnet, mac, expiresAt)));
  fc.assert(
    fc.property(fc.array(anyPeers, { minLength: 1, maxLength: 8 }), (runs) => {
      const { kernel, sync } = setUp();
      sync.sync(input([]));
      const read = vi.spyOn(kernel, 'readNetwork');
      for (const peers of runs) {
        expect(sync.syncPeers(input(peers))).toBeDefined();
        expect(read).not.toHaveBeenCalled();
        expect(missing(kernel, peers)).toBe(0);
        read.mockClear();
        const { skipped } = desiredNetwork(backend, {
          lease: self,
          underlays,
          peers,
          direct: () => undefined,
        });
        const text = (all: typeof skipped): string[] => all.map(({ node, why }) => `${node} ${why}`).sort();
        expect(text(sync.skipped)).toEqual(text(skipped));
      }
    }),
    { numRuns: 300 },
  );
});

test('a subnet that one node gives to another keeps its route all the time', () => {
  const { kernel, sync } = setUp();
  sync.sync(input([lease('a', 2, 2)]));
  kernel.applied.length = 0;
  sync.syncPeers(input([lease('b', 2, 3)]));
  const kinds = kernel.applied.map(({ kind }) => kind);
  expect(kinds).toContain('set-neighbour');
  expect(kinds).not.toContain('delete-route');
  expect(kinds).not.toContain('delete-neighbour');
});

test('what is as it was is not sent again, after a renewal neither', () => {
  const { kernel, sync } = setUp();
  sync.sync(input([lease('a', 2, 2), lease('b', 3, 3)]));
  kernel.applied.length = 0;
  const renewed = [lease('a', 2, 2, 7), lease('b', 3, 3), lease('c', 4, 4)];
  expect(sync.syncPeers(input(renewed))?.changes).toBe(3);
});

test('after a change that the kernel refused everything is looked at', () => {
  const { kernel, sync } = setUp();
  sync.sync(input([]));
  kernel.refuse = (change) => change.kind === 'set-route';
  const peers = [lease('a', 2, 2)];
  expect(() => sync.syncPeers(input(peers))).toThrow(/refused route 10.244.2.0\/24/);
  kernel.refuse = undefined;
  expect(sync.syncPeers(input(peers))).toBeUndefined();
  sync.sync(input(peers));
  expect(missing(kernel, peers)).toBe(0);
});

test('before the registry has listed its nodes nothing is taken away, then what is stale goes', () => {
  const { kernel, sync } = setUp();
  sync.sync(input([lease('a', 2, 2), lease('b', 3, 3)]));
  const { sync: restarted } = setUp(kernel);
  restarted.sync(input([lease('b', 3, 3), lease('c', 4, 4)], { lease: self, complete: false }));
  expect(missing(kernel, [lease('a', 2, 2), lease('b', 3, 3), lease('c', 4, 4)])).toBe(0);
  const listed = input([lease('b', 3, 3)]);
  expect(restarted.syncPeers(listed)).toBeUndefined();
  restarted.sync(listed);
  expect(missing(kernel, [lease('b', 3, 3)])).toBe(0);
});
