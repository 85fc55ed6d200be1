import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatCidr } from '../../../shared/ip/cidr.ts';
import { formatIp } from '../../../shared/ip/ip.ts';
import { anyMessage } from '../testing/arbitrary.ts';
import { exchange } from '../testing/exchange.ts';
import { decodeFrame } from './frame.ts';
import type { DhcpMessage } from './message.ts';
import { decodeMessage, encodeMessage } from './message.ts';
import { MESSAGE_TYPE, OPTION } from './option-codes.ts';
import type { OptionRoute } from './options.ts';
import {
  mergeOptions,
  messageType,
  optionOf,
  readClasslessRoutes,
  readIp,
  readPrefix,
  readStaticRoutes,
  readText,
  readU32,
} from './options.ts';

function messageIn(frame: Uint8Array): DhcpMessage {
  return decodeMessage(decodeFrame(frame)!.payload)!;
}

const ack = messageIn(exchange.ack);

const withOption = (code: number, hex: string): Pick<DhcpMessage, 'options'> => ({
  options: [{ code, data: Uint8Array.fromHex(hex) }],
});

describe('messages as others write them', () => {
  test("dnsmasq's acknowledgement says what its command line does", () => {
    expect(messageType(ack)).toBe(MESSAGE_TYPE.ACK);
    expect(formatIp(ack.yiaddr)).toBe('10.77.0.21');
    expect(ack.chaddr.toHex()).toBe('020000000002');
    expect(ack.xid).toBe(0xa9b4a87b);
    expect(readPrefix(ack)).toBe(24);
    expect(formatIp(readIp(ack, OPTION.ROUTER)!)).toBe('10.77.0.1');
    expect(formatIp(readIp(ack, OPTION.SERVER_ID)!)).toBe('10.77.0.1');
    expect(formatIp(readIp(ack, OPTION.DNS)!)).toBe('10.77.0.53');
    expect(readText(ack, OPTION.DOMAIN_NAME)).toBe('example.org');
    expect(readU32(ack, OPTION.LEASE_TIME)).toBe(120);
    expect(readU32(ack, OPTION.RENEWAL_TIME)).toBe(60);
    expect(readU32(ack, OPTION.REBINDING_TIME)).toBe(105);
  });

  test('routes of both kinds', () => {
    const shown = ({ destination, router }: OptionRoute): string =>
      `${formatCidr(destination)} ${formatIp(router)}`;
    expect(readClasslessRoutes(ack)?.map(shown)).toEqual([
      '192.0.2.0/25 10.77.0.9',
      '198.51.100.0/24 0.0.0.0',
      '0.0.0.0/0 10.77.0.1',
    ]);
    expect(readStaticRoutes(ack).map(shown)).toEqual(['10.0.0.0/8 10.77.0.7']);
  });

  test.each(Object.entries(exchange))('%s is written back byte by byte', (_name, frame) => {
    const { payload } = decodeFrame(frame)!;
    const again = encodeMessage(decodeMessage(payload)!);
    expect(again.subarray(0, payload.length).toHex()).toBe(payload.toHex());
  });

  test('what busybox asks', () => {
    const discover = messageIn(exchange.discover);
    expect(messageType(discover)).toBe(MESSAGE_TYPE.DISCOVER);
    expect(readText(discover, OPTION.HOST_NAME)).toBe('pod');
    expect([...optionOf(discover, OPTION.REQUEST_LIST)!]).toContain(121);
    expect(messageType(messageIn(exchange.request))).toBe(MESSAGE_TYPE.REQUEST);
  });
});

describe('every message', () => {
  test('comes back as it was', () => {
    fc.assert(
      fc.property(anyMessage, (message) => {
        expect(decodeMessage(encodeMessage(message))).toEqual(message);
      }),
    );
  });

  test('has 300 bytes at least', () => {
    fc.assert(fc.property(anyMessage, (message) => encodeMessage(message).length >= 300));
  });

  test('cut off anywhere, or with any bytes in place of its own, is read or refused, never more', () => {
    const bytes = encodeMessage(ack);
    fc.assert(
      fc.property(fc.nat(bytes.length), fc.uint8Array({ maxLength: 400 }), (at, other) => {
        decodeMessage(bytes.subarray(0, at));
        const changed = new Uint8Array(bytes);
        changed.set(other.subarray(0, bytes.length - at), at);
        const message = decodeMessage(changed);
        if (!message) return;
        readClasslessRoutes(message);
        readStaticRoutes(message);
        readPrefix(message);
        expect(decodeMessage(encodeMessage(message))).toEqual(message);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('options', () => {
  test('an option in several parts is joined, and one that goes beyond the end spoils the message', () => {
    const long = { code: 43, data: new Uint8Array(300).fill(7) };
    const bytes = encodeMessage({ ...ack, options: [long] });
    expect([bytes[240], bytes[241], bytes[240 + 257], bytes[240 + 258]]).toEqual([43, 255, 43, 45]);
    expect(decodeMessage(bytes)?.options).toEqual([long]);
    expect(decodeMessage(bytes.subarray(0, 400))).toBeUndefined();
  });

  test('option 52 leads to more of them in file and sname', () => {
    const bytes = encodeMessage({ ...ack, options: [{ code: OPTION.OVERLOAD, data: Uint8Array.of(3) }] });
    bytes.set(Uint8Array.fromHex('0103ffff00ff'), 108);
    bytes.set(Uint8Array.fromHex('010100ff'), 44);
    expect(decodeMessage(bytes)?.options).toEqual([{ code: 1, data: Uint8Array.fromHex('ffff0000') }]);
  });

  test.each([
    ['ffffff00', 24],
    ['ffffffff', 32],
    ['00000000', 0],
    ['ff00ff00', undefined],
    ['ffffff', undefined],
  ])('the mask %s is /%s', (hex, prefix) => {
    expect(readPrefix(withOption(OPTION.SUBNET_MASK, hex))).toBe(prefix);
  });

  test.each([
    ['a prefix of more than 32', '210a0000000a000001'],
    ['a router that is cut off', '180a00000a00'],
  ])('option 121 with %s is no list of routes', (_what, hex) => {
    expect(readClasslessRoutes(withOption(OPTION.CLASSLESS_ROUTES, hex))).toBeUndefined();
  });

  test('host bits in option 121 are cleared, and classes in option 33 go by the first byte', () => {
    const [route] = readClasslessRoutes(withOption(OPTION.CLASSLESS_ROUTES, '190a0000ff0a000001'))!;
    expect(formatCidr(route!.destination)).toBe('10.0.0.128/25');
    const hex = '0a000000c0a80001' + 'ac100000c0a80001' + 'c0a80100c0a80001' + 'e0000000c0a80001' + '0a';
    expect(readStaticRoutes(withOption(33, hex)).map(({ destination }) => formatCidr(destination))).toEqual([
      '10.0.0.0/8',
      '172.16.0.0/16',
      '192.168.1.0/24',
    ]);
  });

  test('what a renewal leaves out stays', () => {
    const merged = mergeOptions(
      [
        { code: 1, data: Uint8Array.of(1) },
        { code: 3, data: Uint8Array.of(3) },
      ],
      [{ code: 3, data: Uint8Array.of(4) }],
    );
    expect(merged).toEqual([
      { code: 3, data: Uint8Array.of(4) },
      { code: 1, data: Uint8Array.of(1) },
    ]);
  });

  test('text for a log holds nothing but what can be printed', () => {
    expect(readText(withOption(OPTION.MESSAGE, '6e6f0a1b5b'), OPTION.MESSAGE)).toBe('no??[');
  });
});
