import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseCidr } from '../../../shared/ip/cidr.ts';
import { parseIp } from '../../../shared/ip/ip.ts';
import type { NodeLease } from '../../../shared/store/registry.ts';
import { FakeNetwork } from '../kernel/fake-network.ts';
import type { DesiredNetwork } from '../network/desired.ts';
import { planNetwork } from '../network/plan.ts';
import { planPeerChange } from '../network/plan-peer.ts';
import type { Underlay } from '../underlay.ts';
import type { NodeContext } from './backend.ts';
import { withBase } from './desired.ts';
import { PeerTable } from './peer-table.ts';
import { createBackend } from './registry.ts';
import { setting } from './test-backend.ts';

const cidr = (text: string): NonNullable<ReturnType<typeof parseCidr>> => parseCidr(text)!;
const ip = (text: string): NonNullable<ReturnType<typeof parseIp>> => parseIp(text)!;
const underlay: Underlay = {
  family: 4,
  index: 2,
  name: 'eth0',
  mtu: 1500,
  address: ip('192.0.2.1'),
  publicIp: ip('192.0.2.1'),
};
const backend = createBackend({ type: 'vxlan', options: {} }, setting({ v4: true, v6: false }));

function lease(node: string, subnet: number, mac: number, address = subnet): NodeLease {
  return {
    node,
    subnet: cidr(`10.244.${subnet}.0/24`),
    publicIp: ip(`192.0.2.${address}`),
    backend: { type: 'vxlan', data: { VNI: 1, VtepMAC: `0a:00:00:00:00:${String(mac).padStart(2, '0')}` } },
    expiresAt: 0,
  };
}

const context: NodeContext = {
  lease: lease('self', 1, 1),
  underlays: { v4: underlay },
  direct: () => undefined,
};
const newTable = (...leases: NodeLease[]): PeerTable => new PeerTable(backend, context, leases);
const routes = (table: PeerTable): number => table.entries().routes.length;

describe('what two nodes claim', () => {
  test('the first by name gets, whoever came first; the other waits until it is free', () => {
    const table = newTable(lease('b', 2, 2));
    expect(routes(table)).toBe(1);
    const taken = table.set(lease('a', 3, 2));
    expect(taken.before.routes.map((route) => route.destination)).toEqual([cidr('10.244.2.0/24')]);
    expect(taken.after.routes.map((route) => route.destination)).toEqual([cidr('10.244.3.0/24')]);
    expect(table.skipped()).toEqual([{ node: 'b', why: 'its VtepMAC is that of a' }]);
    const free = table.remove('a');
    expect(free.after.routes.map((route) => route.destination)).toEqual([cidr('10.244.2.0/24')]);
    expect(table.skipped()).toEqual([]);
  });

  test('a node whose key in etcd moved is two for a while: when the old one goes, what both have stays', () => {
    const table = newTable(lease('10.244.2.0-24', 2, 2, 2), lease('10.244.3.0-24', 3, 2, 2));
    const { before, after } = table.remove('10.244.2.0-24');
    const changes = planPeerChange(before, after, () => 7).map(({ kind }) => kind);
    expect(changes).toEqual(['set-neighbour', 'set-fdb', 'set-route', 'delete-route', 'delete-neighbour']);
    expect(table.entries().routes.map((route) => route.destination)).toEqual([cidr('10.244.3.0/24')]);
  });

  test('is a subnet, too; one within another is none', () => {
    const table = newTable(lease('a', 2, 2), lease('b', 2, 3, 3));
    expect(table.skipped()).toEqual([{ node: 'b', why: 'its subnet is that of a' }]);
    table.set({ ...lease('b', 2, 3, 3), subnet: cidr('10.244.2.0/25') });
    expect(table.skipped()).toEqual([]);
  });

  test('three in a row are served one after the other', () => {
    const table = newTable(lease('c', 4, 2), lease('b', 3, 2), lease('a', 2, 2));
    for (const node of ['a', 'b']) {
      expect(routes(table)).toBe(1);
      table.remove(node);
    }
    expect(table.skipped()).toEqual([]);
    expect(routes(table)).toBe(1);
  });
});

describe('a change of one peer', () => {
  const anyLease = fc
    .record({
      node: fc.constantFrom('a', 'b', 'c', 'd'),
      subnet: fc.integer({ min: 2, max: 5 }),
      mac: fc.integer({ min: 2, max: 5 }),
    })
    .map(({ node, subnet, mac }) => lease(node, subnet, mac));
  const step = fc.oneof(anyLease, fc.constantFrom('a', 'b', 'c', 'd'));

  test('leads where a fresh start leads, in table and kernel, whatever the steps', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        const kernel = new FakeNetwork();
        kernel.addLink('eth0', [cidr('192.0.2.1/24')]);
        const table = newTable();
        const known = new Map<string, NodeLease>();
        const wanted = (): DesiredNetwork => withBase(backend, context, table);
        for (const change of planNetwork(wanted(), kernel)) kernel.apply(change);
        for (const each of steps) {
          const delta = typeof each === 'string' ? table.remove(each) : table.set(each);
          if (typeof each === 'string') known.delete(each);
          else known.set(each.node, each);
          const indexOf = (name: string): number => kernel.link(name).index;
          for (const change of planPeerChange(delta.before, delta.after, indexOf)) kernel.apply(change);
        }
        const fresh = newTable(...known.values());
        expect(table.size).toBe(known.size);
        const byNode = (a: { node: string }, b: { node: string }): number => (a.node < b.node ? -1 : 1);
        expect(table.skipped().sort(byNode)).toEqual(fresh.skipped().sort(byNode));
        expect(planNetwork(withBase(backend, context, fresh), kernel)).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });
});
