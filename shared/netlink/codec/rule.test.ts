import { describe, expect, test } from 'vitest';
import type { NetlinkRequest } from '../request.ts';
import { delRule, dumpRules, newRule } from '../requests/rule.ts';
import { cidr, message } from '../testing/golden.ts';
import { NLM_F } from './message.ts';
import { decodeRule, encodeRule, FIB_RULE, FR_ACT, type Rule } from './rule.ts';

/** What `ip` sent (iproute2 6.1), captured with `strace -e trace=sendmsg -e write=all`. */
const CAPTURED: readonly [command: string, bytes: string, request: NetlinkRequest, decoded: Rule][] = [
  [
    'ip rule add from 10.1.0.0/24 fwmark 0x10/0xff lookup 1000 priority 100',
    `44000000200005069305016b00000000 020018000000000100000000 080002000a010000 08000a0010000000 08001000ff000000
     08000f00e8030000 0800060064000000`,
    newRule({ family: 4, source: cidr('10.1.0.0/24'), mark: 0x10, mask: 0xff, table: 1000, priority: 100 }),
    {
      family: 4,
      source: cidr('10.1.0.0/24'),
      mark: 0x10,
      mask: 0xff,
      table: 1000,
      priority: 100,
      action: FR_ACT.TO_TBL,
      flags: 0,
      tos: 0,
    },
  ],
  [
    'ip -6 rule add to fd00::/64 iif br9 oif eth9 lookup 77 priority 50 suppress_prefixlength 0',
    `54000000200005069305016b00000000 0a4000004d00000100000000 14000100fd000000000000000000000000000000
     0800030062723900 090011006574683900000000 0800060032000000 08000e0000000000`,
    newRule({
      family: 6,
      destination: cidr('fd00::/64'),
      iif: 'br9',
      oif: 'eth9',
      table: 77,
      priority: 50,
      suppressPrefixLength: 0,
    }),
    {
      family: 6,
      destination: cidr('fd00::/64'),
      iif: 'br9',
      oif: 'eth9',
      table: 77,
      priority: 50,
      suppressPrefixLength: 0,
      action: FR_ACT.TO_TBL,
      flags: 0,
      tos: 0,
    },
  ],
  [
    'ip rule add not ipproto tcp sport 1-100 dport 80 uidrange 5-9 blackhole',
    `40000000200005069305016b00000000 020000000000000602000000 0500160006000000 0800170001006400 0800180050005000
     0c0014000500000009000000`,
    newRule({
      family: 4,
      flags: FIB_RULE.INVERT,
      ipProtocol: 6,
      sourcePorts: { start: 1, end: 100 },
      destinationPorts: { start: 80, end: 80 },
      uids: { start: 5, end: 9 },
      action: FR_ACT.BLACKHOLE,
    }),
    {
      family: 4,
      flags: FIB_RULE.INVERT,
      ipProtocol: 6,
      sourcePorts: { start: 1, end: 100 },
      destinationPorts: { start: 80, end: 80 },
      uids: { start: 5, end: 9 },
      action: FR_ACT.BLACKHOLE,
      table: 0,
      tos: 0,
    },
  ],
  [
    'ip rule del priority 100',
    '24000000210005009305016b00000000 020000000000000000000000 0800060064000000',
    delRule({ family: 4, priority: 100 }),
    { family: 4, priority: 100, table: 0, action: 0, flags: 0, tos: 0 },
  ],
  [
    'ip rule show',
    '1c000000220001039305016b00000000 020000000000000000000000',
    dumpRules(4),
    { family: 4, table: 0, action: 0, flags: 0, tos: 0 },
  ],
];

describe.each(CAPTURED)('%s', (_command, bytes, request, decoded) => {
  const captured = message(bytes);

  test('is what the request holds', () => {
    expect(request.payload.toHex()).toBe(captured.payload.toHex());
    expect(request.type).toBe(captured.type);
    expect(request.flags | NLM_F.REQUEST | NLM_F.ACK).toBe(captured.flags | NLM_F.ACK);
  });

  test('is decoded and encoded again', () => {
    const object = decodeRule(captured.payload);
    expect(object).toEqual(decoded);
    expect(encodeRule(object).toHex()).toBe(captured.payload.toHex());
  });
});

test('the suppressors that the kernel tells of every rule are left out when nothing is suppressed', () => {
  const answer = message(`34000000200002009b09016b8c0b0000 02000000ff00000100000000 08000f00ff000000
    08000e00ffffffff 0500150002000000`);
  expect(decodeRule(answer.payload)).toEqual({
    family: 4,
    table: 255,
    action: FR_ACT.TO_TBL,
    flags: 0,
    tos: 0,
    protocol: 2,
  });
});
