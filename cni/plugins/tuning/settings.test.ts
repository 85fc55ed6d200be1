import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatSettings, parseSettings } from './settings.ts';

const mac = Uint8Array.of(2, 0x42, 0, 0, 0, 9);

/** Written by upstream's v1.9.1 with all attributes configured. */
const upstream = `{
 "mac": "02:42:00:00:00:09",
 "promisc": false,
 "mtu": 1500,
 "allmulti": false,
 "txQLen": 1000
}`;

describe('what an interface was', () => {
  test('is written as upstream writes it', () => {
    expect(formatSettings({ txQLen: 1000, allmulti: false, mtu: 1500, promisc: false, mac })).toBe(upstream);
    expect(formatSettings({})).toBe('{}');
    expect(formatSettings({ mac: new Uint8Array(), mtu: 0, txQLen: 0 })).toBe('{\n "txQLen": 0\n}');
  });

  test('is read back', () => {
    expect(parseSettings(upstream)).toEqual({
      mac,
      promisc: false,
      mtu: 1500,
      allmulti: false,
      txQLen: 1000,
    });
    const count = fc.integer({ min: 1, max: 0x7fff_ffff });
    const settings = fc.record(
      {
        mac: fc.uint8Array({ minLength: 6, maxLength: 6 }).map((bytes) => Uint8Array.from(bytes)),
        promisc: fc.boolean(),
        mtu: count,
        allmulti: fc.boolean(),
        txQLen: count,
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(settings, (one) => {
        expect(parseSettings(formatSettings(one))).toEqual({ ...one });
      }),
    );
  });

  test.each([
    ['', {}],
    ['{"mac": "02:42:00:0', {}],
    ['[1]', {}],
    ['null', {}],
    ['{"mac":"x","promisc":1,"mtu":-1,"allmulti":null,"txQLen":1.5,"more":1}', {}],
    ['{"mac":7,"mtu":1400}', { mtu: 1400 }],
  ])('of %j what makes sense is taken', (text, expected) => {
    expect(parseSettings(text)).toEqual(expected);
  });
});
