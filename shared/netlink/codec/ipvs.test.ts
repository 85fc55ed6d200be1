import fc, { type Arbitrary } from 'fast-check';
import { describe, expect, test } from 'vitest';
import { anyFamily, bool, ipOf, u8, u16, u32 } from '../testing/arbitrary.ts';
import { DecodeError } from './decode-error.ts';
import {
  decodeRealServer,
  decodeTimeouts,
  decodeVirtualServer,
  encodeRealServer,
  encodeTimeouts,
  encodeVirtualServer,
  IPVS_CMD,
  type RealServer,
  type VirtualServer,
} from './ipvs.ts';

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
