import { describe, expect, test } from 'vitest';
import type { NetlinkRequest } from '../request.ts';
import { delNeighbour, dumpNeighbours, newNeighbour, replaceNeighbour } from '../requests/neighbour.ts';
import { ip, mac, message } from '../testing/golden.ts';
import { DecodeError } from './decode-error.ts';
import { NLM_F } from './message.ts';
import { decodeNeighbour, encodeNeighbour, type Neighbour, NUD } from './neighbour.ts';

/** What `ip` sent (iproute2 6.1), captured with `strace -e trace=sendmsg -e write=all`. */
const CAPTURED: readonly [command: string, bytes: string, request: NetlinkRequest, decoded: Neighbour][] = [
  [
    'ip neigh replace 10.244.1.0 lladdr 0a:00:00:00:00:02 dev flannel.1 nud permanent',
    `300000001c0005059405016b00000000 020000000600000080000000 080001000af40100 0a0002000a0000000002 0000`,
    replaceNeighbour({ index: 6, ip: ip('10.244.1.0'), mac: mac('0a:00:00:00:00:02') }),
    {
      index: 6,
      ip: ip('10.244.1.0'),
      mac: mac('0a:00:00:00:00:02'),
      state: NUD.PERMANENT,
      flags: 0,
      type: 0,
    },
  ],
  [
    'ip neigh add fd00::2 lladdr 0a:00:00:00:00:02 dev vx6 nud permanent',
    `3c0000001c0005069405016b00000000 0a0000000700000080000000 14000100fd000000000000000000000000000002
     0a0002000a0000000002 0000`,
    newNeighbour({ index: 7, ip: ip('fd00::2'), mac: mac('0a:00:00:00:00:02') }),
    { index: 7, ip: ip('fd00::2'), mac: mac('0a:00:00:00:00:02'), state: NUD.PERMANENT, flags: 0, type: 0 },
  ],
  [
    'ip neigh del 10.244.1.0 dev flannel.1',
    '240000001d0005009405016b00000000 020000000600000000000000 080001000af40100',
    delNeighbour({ index: 6, ip: ip('10.244.1.0') }),
    { index: 6, ip: ip('10.244.1.0'), state: 0, flags: 0, type: 0 },
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
    const object = decodeNeighbour(captured.payload);
    expect(object).toEqual(decoded);
    expect(encodeNeighbour(object).toHex()).toBe(captured.payload.toHex());
  });
});

test('ip -4 neigh show dev flannel.1', () => {
  // The interface goes into an attribute: strict checking refuses a filter in the header.
  const captured = message('240000001e0001039405016b00000000 020000000000000000000000 0800080006000000');
  const request = dumpNeighbours(4, { index: 6 });
  expect(request.payload.toHex()).toBe(captured.payload.toHex());
  expect(request.flags | NLM_F.REQUEST).toBe(captured.flags);
});

test('a forwarding entry is no neighbour', () => {
  const fdb = message(`300000001c0005059405016b00000000 0700000006000000c0000200 0a0002000a0000000002 0000
    080001000a010009`);
  expect(() => decodeNeighbour(fdb.payload)).toThrow(DecodeError);
});
