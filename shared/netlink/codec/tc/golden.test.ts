import { describe, expect, test } from 'vitest';
import type { NetlinkRequest } from '../../request.ts';
import { delQdisc, dumpFilters, dumpQdiscs, newFilter, newQdisc } from '../../requests/tc.ts';
import { message } from '../../testing/golden.ts';
import { NLM_F } from '../message.ts';
import { MIRRED, TC_ACT } from './action.ts';
import { decodeFilter, ETH_P_ALL, encodeFilter, type Filter } from './filter.ts';
import { decodeQdisc, encodeQdisc, type Qdisc } from './qdisc.ts';
import { TC_H, tcHandle } from './tcmsg.ts';
import { EVERY_PACKET } from './u32.ts';

const tbf: Qdisc = {
  index: 3,
  handle: tcHandle(1),
  parent: TC_H.ROOT,
  options: { kind: 'tbf', rate: { rate: 1_000_000 }, limit: 35_000, buffer: 156_250 },
};

const ingress: Qdisc = {
  index: 3,
  handle: tcHandle(0xffff),
  parent: TC_H.INGRESS,
  options: { kind: 'ingress' },
};

const redirect: Filter = {
  index: 3,
  handle: 0,
  parent: tcHandle(0xffff),
  priority: 1,
  protocol: ETH_P_ALL,
  options: {
    kind: 'u32',
    classId: tcHandle(1, 1),
    actions: [{ kind: 'mirred', target: 4, way: MIRRED.EGRESS_REDIRECT, verdict: TC_ACT.STOLEN }],
    selector: EVERY_PACKET,
  },
};

/** What `tc` (iproute2 6.1) and, for the first, the bandwidth plugin 1.9.1 sent, captured with strace. */
const CAPTURED: readonly [command: string, bytes: string, request: NetlinkRequest][] = [
  [
    // tc itself sends a table of 1024 bytes along, which kernels no longer need.
    'bandwidth with ingressRate 8000000, ingressBurst 80000',
    `58000000 2400 0506 04000000 00000000 00000000 03000000 00000100 ffffffff 00000000 08000100 74626600
     2c000200 28000100 000000000000000040420f00 000000000000000000000000 b8880000 5a620200 00000000`,
    newQdisc(tbf),
  ],
  [
    'tc qdisc add dev v0 handle ffff: ingress',
    `30000000 2400 0506 95df096b 00000000 00000000 03000000 0000ffff f1ffffff 00000000 0c000100 696e677265737300`,
    newQdisc(ingress),
  ],
  [
    'tc filter add dev v0 parent ffff: protocol all prio 1 u32 match u32 0 0 flowid 1:1 action mirred egress redirect dev bwp0',
    `94000000 2c00 0506 95df096b 00000000 00000000 03000000 00000000 0000ffff 00030100 08000100 75333200 68000200
     08000100 01000100 38000700 34000100 0b000100 6d69727265640000 24000280 20000200
     00000000 00000000 04000000 00000000 00000000 01000000 04000000
     24000500 01000100 000000000000000000000000 00000000000000000000000000000000`,
    newFilter(redirect),
  ],
  [
    'tc qdisc del dev v0 root',
    '24000000 2500 0500 95df096b 00000000 00000000 03000000 00000000 ffffffff 00000000',
    delQdisc({ index: 3, handle: 0, parent: TC_H.ROOT }),
  ],
  [
    'tc qdisc show dev v0',
    '24000000 2600 0103 95df096b 00000000 00000000 03000000 00000000 00000000 00000000',
    dumpQdiscs(3),
  ],
  [
    'tc filter show dev v0 parent ffff:',
    '24000000 2e00 0103 95df096b 00000000 00000000 03000000 00000000 0000ffff 00000000',
    dumpFilters({ index: 3, parent: tcHandle(0xffff) }),
  ],
];

test.each(CAPTURED)('%s', (_command, bytes, request) => {
  const captured = message(bytes);
  expect(request.payload.toHex()).toBe(captured.payload.toHex());
  expect(request.type).toBe(captured.type);
  expect(request.flags | NLM_F.REQUEST | NLM_F.ACK).toBe(captured.flags | NLM_F.ACK);
});

describe('come back from their bytes', () => {
  test.each([tbf, ingress])('%#', (qdisc) => expect(decodeQdisc(encodeQdisc(qdisc))).toEqual(qdisc));
  test('a filter', () => expect(decodeFilter(encodeFilter(redirect))).toEqual(redirect));
});
