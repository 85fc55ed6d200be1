import { describe, expect, test } from 'vitest';
import type { NetlinkRequest } from '../request.ts';
import { addFdb, appendFdb, delFdb, dumpFdb, replaceFdb } from '../requests/neighbour.ts';
import { ip, mac, message } from '../testing/golden.ts';
import { DecodeError } from './decode-error.ts';
import { decodeFdb, encodeFdb, type FdbEntry } from './fdb.ts';
import { NLM_F } from './message.ts';
import { NTF, NUD } from './neighbour.ts';

/** What `bridge fdb` calls permanent. */
const PERMANENT = NUD.PERMANENT | NUD.NOARP;

/** What `bridge` sent (iproute2 6.1), captured with `strace -e trace=sendmsg -e write=all`. */
const CAPTURED: readonly [command: string, bytes: string, request: NetlinkRequest, decoded: FdbEntry][] = [
  [
    'bridge fdb replace 0a:00:00:00:00:02 dev flannel.1 dst 10.1.0.9 self permanent',
    `300000001c0005059405016b00000000 0700000006000000c0000200 0a0002000a0000000002 0000 080001000a010009`,
    replaceFdb({ index: 6, mac: mac('0a:00:00:00:00:02'), destination: ip('10.1.0.9'), state: PERMANENT }),
    {
      index: 6,
      mac: mac('0a:00:00:00:00:02'),
      destination: ip('10.1.0.9'),
      state: PERMANENT,
      flags: NTF.SELF,
    },
  ],
  [
    'bridge fdb append 00:00:00:00:00:00 dev vx6 dst 2001:db8::9 port 4790 vni 78 via br9 self',
    `540000001c00050c9405016b00000000 0700000007000000c0000200 0a000200000000000000 0000
     1400010020010db8000000000000000000000009 0600060012b60000 080007004e000000 0800080004000000`,
    appendFdb({
      index: 7,
      mac: mac('00:00:00:00:00:00'),
      destination: ip('2001:db8::9'),
      port: 4790,
      vni: 78,
      via: 4,
      state: PERMANENT,
    }),
    {
      index: 7,
      mac: mac('00:00:00:00:00:00'),
      destination: ip('2001:db8::9'),
      port: 4790,
      vni: 78,
      via: 4,
      state: PERMANENT,
      flags: NTF.SELF,
    },
  ],
  [
    'bridge fdb del 0a:00:00:00:00:02 dev flannel.1 dst 10.1.0.9 self',
    `300000001d0005009405016b00000000 0700000006000000c0000200 0a0002000a0000000002 0000 080001000a010009`,
    delFdb({ index: 6, mac: mac('0a:00:00:00:00:02'), destination: ip('10.1.0.9'), state: PERMANENT }),
    {
      index: 6,
      mac: mac('0a:00:00:00:00:02'),
      destination: ip('10.1.0.9'),
      state: PERMANENT,
      flags: NTF.SELF,
    },
  ],
  [
    'bridge fdb add 0a:00:00:00:00:03 dev eth9 master static vlan 10',
    '300000001c0005069405016b00000000 070000000300000042000400 0a0002000a0000000003 0000 060005000a000000',
    addFdb({
      index: 3,
      mac: mac('0a:00:00:00:00:03'),
      vlan: 10,
      state: NUD.NOARP | NUD.REACHABLE,
      flags: NTF.MASTER,
    }),
    {
      index: 3,
      mac: mac('0a:00:00:00:00:03'),
      vlan: 10,
      state: NUD.NOARP | NUD.REACHABLE,
      flags: NTF.MASTER,
    },
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
    const object = decodeFdb(captured.payload);
    expect(object).toEqual(decoded);
    expect(encodeFdb(object).toHex()).toBe(captured.payload.toHex());
  });
});

test('bridge fdb show br br9', () => {
  const captured = message('240000001e0001039405016b00000000 070000000000000000000000 0800090004000000');
  const request = dumpFdb({ master: 4 });
  expect(request.payload.toHex()).toBe(captured.payload.toHex());
  expect(request.flags | NLM_F.REQUEST).toBe(captured.flags);
});

test('what the kernel answers to: bridge fdb show dev flannel.1', () => {
  const answer = message(`440000001c0002009c09016b800b0000 0700000005000000c0000201 0a0002000a0000000002 0000
    080001000a010009 1400030000000000000000000000000000000000`);
  expect(decodeFdb(answer.payload)).toEqual({
    index: 5,
    mac: mac('0a:00:00:00:00:02'),
    destination: ip('10.1.0.9'),
    state: PERMANENT,
    flags: NTF.SELF,
    unknown: [{ type: 3, nested: false, payload: new Uint8Array(16) }],
  });
});

test('a neighbour is no forwarding entry', () => {
  const neighbour = message(`300000001c0005059405016b00000000 020000000600000080000000 080001000af40100
    0a0002000a0000000002 0000`);
  expect(() => decodeFdb(neighbour.payload)).toThrow(DecodeError);
});
