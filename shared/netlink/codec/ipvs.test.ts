import fc, { type Arbitrary } from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { NetlinkRequest } from '../request.ts';
import {
  dumpRealServers,
  newRealServer,
  newVirtualServer,
  setTimeouts,
  setVirtualServer,
} from '../requests/ipvs.ts';
import { anyFamily, bool, ipOf, u8, u16, u32 } from '../testing/arbitrary.ts';
import { ip, message } from '../testing/golden.ts';
import { parseAttributes } from './attributes.ts';
import { DecodeError } from './decode-error.ts';
import {
  decodeRealServer,
  decodeTimeouts,
  decodeVirtualServer,
  encodeRealServer,
  encodeTimeouts,
  encodeVirtualServer,
  IP_VS_SVC_F,
  IPVS_CMD,
  type RealServer,
  type VirtualServer,
} from './ipvs.ts';

/** The number that the kernel had given the family. */
const FAMILY = 0x20;
const API = { address: ip('10.96.0.1'), protocol: 6, port: 443 };
const DNS = { address: ip('fd00::1'), protocol: 17, port: 53 };
const API_BYTES =
  '0600010002000000 0600020006000000 140003000a600001000000000000000000000000 0600040001bb0000';

/** What `ipvsadm` 1.31 sent, captured with `strace -e trace=sendmsg --raw=sendmsg -e write=all`. */
const CAPTURED: readonly [command: string, bytes: string, request: NetlinkRequest][] = [
  [
    'ipvsadm -A -t 10.96.0.1:443 -s rr',
    `68000000200005008db70a6b92000091 01010000 54000180 ${API_BYTES}
     0700060072720000 0c00070000000000ffffffff 0800080000000000 08000900ffffffff`,
    newVirtualServer(FAMILY, { ...API, scheduler: 'rr', flags: 0, timeout: 0, prefix: 32 }),
  ],
  [
    'ipvsadm -A -u [fd00::1]:53 -s rr -p 10800',
    `68000000200005008eb70a6b98000091 01010000 54000180 060001000a000000 0600020011000000
     14000300fd000000000000000000000000000001 0600040000350000
     0700060072720000 0c00070001000000ffffffff 08000800302a0000 0800090080000000`,
    newVirtualServer(FAMILY, {
      ...DNS,
      scheduler: 'rr',
      flags: IP_VS_SVC_F.PERSISTENT,
      timeout: 10_800,
      prefix: 128,
    }),
  ],
  [
    'ipvsadm -E -t 10.96.0.1:443 -s sh -p 60',
    `68000000200005008eb70a6b9d00c090 02010000 54000180 ${API_BYTES}
     0700060073680000 0c00070001000000ffffffff 080008003c000000 08000900ffffffff`,
    setVirtualServer(FAMILY, {
      ...API,
      scheduler: 'sh',
      flags: IP_VS_SVC_F.PERSISTENT,
      timeout: 60,
      prefix: 32,
    }),
  ],
  [
    'ipvsadm -L -n, of one virtual server',
    `44000000200005038fb70a6bb30040c4 08010000 30000180 ${API_BYTES}`,
    dumpRealServers(FAMILY, API),
  ],
  [
    'ipvsadm --set 900 120 300',
    '2c000000200005008fb70a6bb8008091 0c010000 0800040084030000 0800050078000000 080006002c010000',
    setTimeouts(FAMILY, { tcp: 900, tcpFin: 120, udp: 300 }),
  ],
];

test.each(CAPTURED)('what ipvsadm sends: %s', (_command, bytes, request) => {
  const captured = message(bytes);
  expect(request.type).toBe(captured.type);
  expect(request.payload.toHex()).toBe(captured.payload.toHex());
});

test('what ipvsadm sends of a real server, but for options that nobody uses', () => {
  // ipvsadm -a -t 10.96.0.1:443 -r 10.244.1.1:8443 -m -w 1
  const captured = message(`c8000000200005008eb70a6ba400c090 05010000 54000180 ${API_BYTES}
    0500060000000000 0c00070000000000ffffffff 0800080000000000 08000900ffffffff 60000280 06000b0002000000
    140001000af40101000000000000000000000000 0600020020fb0000 0800030000000000 0800040001000000 05000d0000000000
    06000e0000000000 06000f0000000000 0800050000000000 0800060000000000`);
  const server = { address: ip('10.244.1.1'), port: 8443, weight: 1 };
  const { payload } = newRealServer(FAMILY, API, server);
  const attributes = (bytes: Uint8Array, nest: number): Map<number, string> =>
    new Map(
      parseAttributes(parseAttributes(bytes, 4).find(({ type }) => type === nest)?.payload ?? bytes).map(
        ({ type, payload: value }) => [type, value.toHex()],
      ),
    );
  for (const nest of [1, 2]) {
    const theirs = attributes(captured.payload, nest);
    for (const [type, value] of attributes(payload, nest))
      expect([type, value]).toEqual([type, theirs.get(type)]);
  }
});

/** Without the counters of 64 bits, of which there are as many. */
describe('what the kernel (6.1) tells', () => {
  const STATS = `5c000a00 0800010000000000 0800020000000000 0800030000000000 0c0004000000000000000000
    0c0005000000000000000000 0800060000000000 0800070000000000 0800080000000000 0800090000000000 08000a0000000000`;

  test('of virtual servers', () => {
    const told = message(`c4000000200002008fb70a6bb3008091 01010100 b0000100 ${API_BYTES}
      0700060073680000 0c00070003000000ffffffff 080008003c000000 08000900ffffffff ${STATS}`);
    expect(decodeVirtualServer(told.payload)).toEqual({
      ...API,
      scheduler: 'sh',
      flags: IP_VS_SVC_F.PERSISTENT | IP_VS_SVC_F.HASHED,
      timeout: 60,
      prefix: 32,
    });
  });

  test('of real ones', () => {
    const told =
      message(`e8000000200002008fb70a6bb30000df 05010000 d4000200 14000100fd000244000000000000000000000001
      0600020014e90000 0800030000000000 0800040001000000 05000d0000000000 06000e0000000000 06000f0000000000
      0800050000000000 0800060000000000 0800070000000000 0800080000000000 0800090000000000 06000b000a000000 ${STATS}`);
    expect(decodeRealServer(told.payload, 4)).toEqual({
      address: ip('fd00:244::1'),
      port: 5353,
      weight: 1,
      activeConnections: 0,
      inactiveConnections: 0,
    });
  });
});

const virtual: Arbitrary<VirtualServer> = anyFamily.chain((family) =>
  fc.record({
    address: ipOf(family),
    protocol: u16,
    port: u16,
    scheduler: fc.constantFrom('rr', 'wlc', 'mh'),
    flags: u32,
    timeout: u32,
    prefix: fc.nat(family === 4 ? 32 : 128),
  }),
);
const real: Arbitrary<RealServer> = anyFamily.chain((family) =>
  fc.record({ address: ipOf(family), port: u16, weight: u32 }),
);

describe('servers', () => {
  test('virtual ones come back as they were sent', () => {
    fc.assert(
      fc.property(virtual, (server) => {
        const bytes = encodeVirtualServer(IPVS_CMD.NEW_SERVICE, server);
        expect(bytes.length % 4).toBe(0);
        expect(decodeVirtualServer(bytes)).toEqual(server);
      }),
    );
  });

  test('real ones come back as they were sent, whatever family is thought of', () => {
    fc.assert(
      fc.property(virtual, real, anyFamily, (of, server, family) => {
        const bytes = encodeRealServer(IPVS_CMD.NEW_DEST, of, server);
        expect(decodeRealServer(bytes, family)).toEqual(server);
      }),
    );
  });

  test('one by firewall mark is none of them', () => {
    // IPVS_CMD_ATTR_SERVICE with IPVS_SVC_ATTR_FWMARK.
    const bytes = Uint8Array.of(1, 1, 0, 0, 12, 0, 1, 0x80, 8, 0, 5, 0, 1, 0, 0, 0);
    expect(decodeVirtualServer(bytes)).toBeUndefined();
  });

  test('timeouts come back', () => {
    fc.assert(
      fc.property(u32, u32, u32, (tcp, tcpFin, udp) => {
        expect(decodeTimeouts(encodeTimeouts({ tcp, tcpFin, udp }))).toEqual({ tcp, tcpFin, udp });
      }),
    );
  });

  test('any bytes are read or refused', () => {
    const damaged = fc
      .record({ virtual, real, at: fc.nat(), to: u8, cut: bool })
      .map(({ virtual: of, real: server, at, to, cut }) => {
        const bytes = encodeRealServer(IPVS_CMD.NEW_DEST, of, server);
        bytes[at % bytes.length] = to;
        return cut ? bytes.slice(0, at % bytes.length) : bytes;
      });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 100 }), damaged), (bytes) => {
        for (const decode of [
          decodeVirtualServer,
          decodeTimeouts,
          (some: Uint8Array) => decodeRealServer(some, 4),
        ])
          try {
            decode(bytes);
          } catch (error) {
            expect(error).toBeInstanceOf(DecodeError);
          }
      }),
    );
  });
});
