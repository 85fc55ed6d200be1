import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hex } from '../../../shared/netlink/testing/golden.ts';
import { busPath } from './dbus.ts';
import { DbusFormatError, dbusMessageLength, decodeDbusMessage, encodeDbusCall } from './dbus-message.ts';

describe('messages', () => {
  test('answers are read: a string, a boolean, an error, nothing', () => {
    // By hand, after the specification: header, fields REPLY_SERIAL, DESTINATION, SIGNATURE, body.
    const reply = (type: string, fields: string, body: string): string => {
      const [f, b] = [hex(fields), hex(body)];
      const u32 = (n: number): string => Uint8Array.of(n, 0, 0, 0).toHex();
      return `6c${type}0101 ${u32(b.length)} 09000000 ${u32(f.length)} ${f.toHex()} ${'00'.repeat(-f.length & 7)} ${b.toHex()}`;
    };
    const serial = '05017500 07000000';
    const text = `${serial} 08016700017300`;
    const yes = decodeDbusMessage(hex(reply('02', `${serial} 08016700016200`, '01000000')));
    expect(yes).toEqual({ type: 'return', replyTo: 7, errorName: '', value: true });
    expect(decodeDbusMessage(hex(reply('02', text, '02000000 686900'))).value).toBe('hi');
    const failed = `${serial} 04017300 03000000 612e6200 00000000 08016700017300`;
    expect(decodeDbusMessage(hex(reply('03', failed, '02000000 6e6f00')))).toEqual({
      type: 'error',
      replyTo: 7,
      errorName: 'a.b',
      value: 'no',
    });
    expect(decodeDbusMessage(hex(reply('02', serial, ''))).value).toBeUndefined();
    expect(decodeDbusMessage(hex(reply('04', serial, ''))).type).toBe('other');
  });

  test('a call is as long as it says, whatever its arguments', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'grapheme' }), { maxLength: 4 }), (args) => {
        const call = { serial: 1, destination: 'a.b', path: '/a', interface: 'a.b', member: 'm', args };
        const bytes = encodeDbusCall(call);
        expect(dbusMessageLength(bytes)).toBe(bytes.length);
        expect(decodeDbusMessage(bytes)).toMatchObject({ type: 'other', value: args[0] });
      }),
    );
  });

  test('what is cut short or no message is refused', () => {
    const call = { serial: 1, destination: 'a.b', path: '/a', interface: 'a.b', member: 'm', args: ['x'] };
    const bytes = encodeDbusCall(call);
    for (let length = 16; length < bytes.length; length++)
      expect(() => decodeDbusMessage(bytes.subarray(0, length))).toThrow(DbusFormatError);
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 64 }), fc.boolean(), (noise, plausible) => {
        if (plausible) noise.set([0x6c, 2, 0, 1, 4, 0, 0, 0, 1, 0, 0, 0, 16, 0, 0, 0]);
        try {
          decodeDbusMessage(noise);
        } catch (error) {
          expect(error).toBeInstanceOf(DbusFormatError);
        }
      }),
      { numRuns: 500 },
    );
  });
});

test.each([
  [undefined, '/var/run/dbus/system_bus_socket'],
  ['', '/var/run/dbus/system_bus_socket'],
  ['unix:path=/run/a%20b,guid=12', '/run/a b'],
  ['tcp:host=x;unix:abstract=here', '@here'],
])('the address %s is the socket %s', (address, path) => {
  expect(busPath(address)).toBe(path);
});
