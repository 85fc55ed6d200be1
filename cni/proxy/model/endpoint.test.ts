import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseIp } from '../../../shared/ip/ip.ts';
import {
  addressOf,
  endpointOf,
  formatAddress,
  formatEndpoint,
  packAddress,
  parseAddress,
  portOf,
} from './endpoint.ts';

test.each(['10.0.0.1', '255.255.255.255', '0.0.0.0', 'fd00::1', '::ffff:10.0.0.1'])(
  '%s is packed',
  (text) => {
    const packed = parseAddress(text);
    expect(packed && formatAddress(packed)).toBe(text.replace('::ffff:', ''));
  },
);

test('the short way for IPv4 is as strict as the long one', () => {
  const text = fc.oneof(
    fc.string({ unit: fc.constantFrom(...'0129.:x'), maxLength: 16 }),
    fc
      .array(fc.integer({ min: 0, max: 300 }), { minLength: 3, maxLength: 5 })
      .map((parts) => parts.join('.')),
    fc.ipV4(),
    fc.ipV6(),
  );
  fc.assert(
    fc.property(text, (one) => {
      const ip = parseIp(one);
      expect(parseAddress(one)).toBe(ip && packAddress(ip));
    }),
  );
});

test('an endpoint is an address and a port', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), fc.integer({ min: 1, max: 65_535 }), (text, port) => {
      const address = parseAddress(text);
      if (address === undefined) return;
      const endpoint = endpointOf(address, port);
      expect([addressOf(endpoint), portOf(endpoint)]).toEqual([address, port]);
      expect(formatEndpoint(endpoint).endsWith(`:${port}`)).toBe(true);
    }),
  );
});
