/** Queueing disciplines and filters in the kernel, read back by `tc -j` and by our own decoders. */

import { afterEach, describe, expect, test } from 'vitest';
import { freshNetns, ipJson, run } from '../../conformance/testing/netns.ts';
import { NETLINK } from './codec/message.ts';
import { MIRRED, TC_ACT } from './codec/tc/action.ts';
import { decodeFilter, ETH_P_ALL } from './codec/tc/filter.ts';
import { decodeQdisc } from './codec/tc/qdisc.ts';
import { TC_H, tcHandle } from './codec/tc/tcmsg.ts';
import { EVERY_PACKET } from './codec/tc/u32.ts';
import { newLink } from './requests/link.ts';
import { delQdisc, dumpFilters, dumpQdiscs, newFilter, newQdisc } from './requests/tc.ts';
import { NetlinkSocket } from './socket.ts';

const fresh = freshNetns();

interface TcQdisc {
  readonly kind: string;
  readonly handle: string;
  readonly options: Record<string, unknown>;
}

const tc = <T>(...args: string[]): T => JSON.parse(run('tc', '-j', ...args)) as T;

describe.skipIf(!fresh)('traffic control', () => {
  afterEach(() => {
    run('ip', 'link', 'delete', 'v0');
    run('ip', 'link', 'delete', 'i0');
  });

  function links(socket: NetlinkSocket): { veth: number; ifb: number } {
    socket.requestAll([
      newLink({ name: 'v0', kind: { kind: 'veth', peer: { name: 'v1' } } }),
      newLink({ name: 'i0', kind: { kind: 'other', name: 'ifb' } }),
    ]);
    const index = (name: string): number => Number(ipJson('link', 'show', name)[0]?.['ifindex']);
    return { veth: index('v0'), ifb: index('i0') };
  }

  test('a token bucket filter is what tc calls it, beyond 32 bits of rate too', () => {
    using socket = NetlinkSocket.open(NETLINK.ROUTE);
    const { veth, ifb } = links(socket);
    const at = { handle: tcHandle(1), parent: TC_H.ROOT };
    const limits = { limit: 35_000, buffer: 156_250 };
    socket.requestAll([
      newQdisc({ index: veth, ...at, options: { kind: 'tbf', rate: { rate: 1_000_000 }, ...limits } }),
      newQdisc({
        index: ifb,
        ...at,
        options: { kind: 'tbf', rate: { rate: 0xffff_ffff }, rate64: 5_000_000_000n, ...limits },
      }),
    ]);
    expect(tc<TcQdisc[]>('qdisc', 'show', 'dev', 'v0')).toMatchObject([
      { kind: 'tbf', handle: '1:', root: true, options: { rate: 1_000_000, burst: 10_000, lat: 25_000 } },
    ]);
    expect(tc<TcQdisc[]>('qdisc', 'show', 'dev', 'i0')[0]?.options['rate']).toBe(5_000_000_000);
    const seen = socket
      .dump(dumpQdiscs(veth))
      .map(({ payload }) => decodeQdisc(payload))
      .filter(({ parent }) => parent === TC_H.ROOT);
    expect(seen.find(({ index }) => index === veth)?.options).toMatchObject({
      kind: 'tbf',
      rate: { rate: 1_000_000 },
      ...limits,
    });
    expect(seen.find(({ index }) => index === ifb)?.options).toMatchObject({ rate64: 5_000_000_000n });
    socket.request(delQdisc({ index: veth, ...at }));
    expect(tc<TcQdisc[]>('qdisc', 'show', 'dev', 'v0').map(({ kind }) => kind)).not.toContain('tbf');
  });

  test('a filter redirects every packet that comes in', () => {
    using socket = NetlinkSocket.open(NETLINK.ROUTE);
    const { veth, ifb } = links(socket);
    const parent = tcHandle(0xffff);
    const action = {
      kind: 'mirred',
      target: ifb,
      way: MIRRED.EGRESS_REDIRECT,
      verdict: TC_ACT.STOLEN,
    } as const;
    socket.requestAll([
      newQdisc({ index: veth, handle: parent, parent: TC_H.INGRESS, options: { kind: 'ingress' } }),
      newFilter({
        index: veth,
        handle: 0,
        parent,
        priority: 1,
        protocol: ETH_P_ALL,
        options: { kind: 'u32', classId: tcHandle(1, 1), actions: [action], selector: EVERY_PACKET },
      }),
    ]);
    const seen = tc<Record<string, unknown>[]>('filter', 'show', 'dev', 'v0', 'parent', 'ffff:');
    expect(seen.at(-1)).toMatchObject({
      protocol: 'all',
      pref: 1,
      kind: 'u32',
      options: {
        flowid: '1:1',
        match: { value: '0', mask: '0', off: 0 },
        actions: [{ kind: 'mirred', mirred_action: 'redirect', direction: 'egress', to_dev: 'i0' }],
      },
    });
    const filters = socket
      .dump(dumpFilters({ index: veth, parent }))
      .map(({ payload }) => decodeFilter(payload));
    expect(filters.at(-1)?.options).toMatchObject({ actions: [action], selector: EVERY_PACKET });
  });
});
