import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatIp } from '../../../shared/ip/ip.ts';
import { anyIp } from '../testing/arbitrary.ts';
import { exchange } from '../testing/exchange.ts';
import { checksum } from './checksum.ts';
import type { Frame } from './frame.ts';
import { decodeFrame, encodeFrame } from './frame.ts';

const mac = fc.uint8Array({ minLength: 6, maxLength: 6 });
const port = fc.integer({ min: 0, max: 0xffff });

const anyFrame: fc.Arbitrary<Frame> = fc.record({
  sourceMac: mac,
  destinationMac: mac,
  source: anyIp,
  destination: anyIp,
  sourcePort: port,
  destinationPort: port,
  payload: fc.uint8Array({ maxLength: 700 }),
});

test('the checksum of RFC 1071, section 3', () => {
  expect(checksum(Uint8Array.fromHex('0001f203f4f5f6f7'))).toBe(~0xddf2 & 0xffff);
});

test("busybox's frame is written as busybox does", () => {
  const frame = decodeFrame(exchange.discover)!;
  expect(formatIp(frame.destination)).toBe('255.255.255.255');
  expect([frame.sourcePort, frame.destinationPort]).toEqual([68, 67]);
  expect(encodeFrame(frame).toHex()).toBe(exchange.discover.toHex());
});

test('a server on the same machine leaves the checksum to a network card', () => {
  expect(decodeFrame(exchange.ack)?.sourcePort).toBe(67);
});

describe('every frame', () => {
  test('comes back as it was', () => {
    fc.assert(
      fc.property(anyFrame, (frame) => {
        expect(decodeFrame(encodeFrame(frame))).toEqual(frame);
      }),
    );
  });

  test('with one bit turned in its IP header or its payload is refused', () => {
    const bytes = encodeFrame(decodeFrame(exchange.discover)!);
    fc.assert(
      fc.property(fc.integer({ min: 14, max: bytes.length - 1 }), fc.nat(7), (at, bit) => {
        // Without a checksum, or with that of a network card to come, nobody can tell.
        fc.pre(at !== 40 && at !== 41);
        const changed = new Uint8Array(bytes);
        changed[at] = changed[at]! ^ (1 << bit);
        expect(decodeFrame(changed)).toBeUndefined();
      }),
    );
  });

  test('any bytes are read or refused, and a frame that is cut off is refused', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => void decodeFrame(bytes)));
    fc.assert(
      fc.property(fc.nat(exchange.ack.length - 1), (at) => {
        expect(decodeFrame(exchange.ack.subarray(0, at))).toBeUndefined();
      }),
    );
  });

  test('what follows the datagram in a padded frame is left out', () => {
    const frame = decodeFrame(exchange.ack)!;
    const padded = new Uint8Array(exchange.ack.length + 20);
    padded.set(exchange.ack);
    expect(decodeFrame(padded)).toEqual(frame);
  });

  test('a fragment is refused', () => {
    const bytes = new Uint8Array(exchange.ack);
    bytes[20] = 0x20;
    // The header's checksum is right again.
    bytes.set([0, 0], 24);
    const sum = checksum(bytes.subarray(14, 34));
    bytes.set([sum >> 8, sum & 0xff], 24);
    expect(decodeFrame(bytes)).toBeUndefined();
  });
});
