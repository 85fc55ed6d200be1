import { isIPv4, isIPv6 } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  cidrEquals,
  contains,
  containsCidr,
  firstIp,
  formatCidr,
  lastIp,
  networkOf,
  nthIp,
  overlaps,
  parseCidr,
} from './cidr.ts';
import {
  addIp,
  compareIp,
  formatIp,
  type Ip,
  ipFromBytes,
  ipToBytes,
  isLinkLocal,
  isMulticast,
  parseIp,
} from './ip.ts';
import { formatMac, parseMac } from './mac.ts';

const anyIp: fc.Arbitrary<Ip> = fc.oneof(
  fc.bigInt(0n, 2n ** 32n - 1n).map((value): Ip => ({ family: 4, value })),
  fc
    .bigInt(0n, 2n ** 128n - 1n)
    .filter((value) => value >> 32n !== 0xffffn)
    .map((value): Ip => ({ family: 6, value })),
  // Long runs of zeros, which the compressed form turns on.
  fc
    .array(fc.constantFrom<bigint>(0n, 0n, 0n, 1n, 0xabcdn), { minLength: 8, maxLength: 8 })
    .map((groups): Ip => {
      const value = groups.reduce((sum, group) => (sum << 16n) | group, 0n);
      return { family: 6, value };
    })
    .filter((ip) => ip.value >> 32n !== 0xffffn),
);

const anyCidr = anyIp.chain((ip) =>
  fc.integer({ min: 0, max: ip.family === 4 ? 32 : 128 }).map((prefix) => ({ ip, prefix })),
);

describe('addresses', () => {
  test.each([
    ['10.0.0.1', '10.0.0.1'],
    ['::', '::'],
    ['::1', '::1'],
    ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['fe80::', 'fe80::'],
    ['64:ff9b::1.2.3.4', '64:ff9b::102:304'],
    ['::ffff:10.1.2.3', '10.1.2.3'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
  ])('%s is written %s', (text, written) => {
    const ip = parseIp(text);
    expect(ip && formatIp(ip)).toBe(written);
  });

  test.each([
    '',
    '1',
    '1.2.3',
    '1.2.3.4.5',
    '01.2.3.4',
    '256.1.1.1',
    '1.2.3.-4',
    ' 1.2.3.4',
    ':',
    ':::',
    '1::2::3',
    '12345::',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7::8',
    '1.2.3.4::',
    'fe80::1%eth0',
    'g::',
    '::1.2.3',
  ])('%j is no address', (text) => {
    expect(parseIp(text)).toBeUndefined();
  });

  test('agrees with the runtime on what is an address', () => {
    const pieces = fc.array(
      fc.constantFrom('1', '0', 'ff', ':', '::', '.', '255', '01', 'abcd', '10.0.0.1', 'g'),
      { maxLength: 12 },
    );
    fc.assert(
      fc.property(pieces, (parts) => {
        const text = parts.join('');
        expect(parseIp(text) !== undefined).toBe(isIPv4(text) || isIPv6(text));
      }),
      { numRuns: 3000 },
    );
  });

  test('text and bytes lead back to the address', () => {
    fc.assert(
      fc.property(anyIp, (ip) => {
        expect(parseIp(formatIp(ip))).toEqual(ip);
        expect(ipFromBytes(ipToBytes(ip))).toEqual(ip);
      }),
    );
  });

  test('arithmetic stays in the family', () => {
    const last: Ip = { family: 4, value: 0xffffffffn };
    expect(() => addIp(last, 1n)).toThrow(RangeError);
    expect(() => addIp({ family: 6, value: 0n }, -1n)).toThrow(RangeError);
    expect(formatIp(addIp({ family: 4, value: 0x0a0000ffn }, 1n))).toBe('10.0.1.0');
    expect(compareIp(last, { family: 6, value: 0n })).toBeLessThan(0);
  });

  test('kinds', () => {
    expect(isMulticast({ family: 4, value: 0xe0000001n })).toBe(true);
    expect(isMulticast({ family: 4, value: 0xdfffffffn })).toBe(false);
    expect(isLinkLocal(parseIp('fe80::1') as Ip)).toBe(true);
    expect(isLinkLocal(parseIp('fec0::1') as Ip)).toBe(false);
  });
});

describe('networks', () => {
  test.each([
    '10.0.0.0',
    '10.0.0.0/',
    '10.0.0.0/33',
    '::/129',
    '10.0.0.0/08',
    '/8',
    '10.0.0.0/-1',
    '1.2.3.4/8/9',
  ])('%j is none', (text) => {
    expect(parseCidr(text)).toBeUndefined();
  });

  test('host bits are kept and cleared on demand', () => {
    const cidr = parseCidr('10.1.2.3/20');
    if (!cidr) throw new Error('unreachable');
    expect(formatCidr(cidr)).toBe('10.1.2.3/20');
    expect(formatCidr(networkOf(cidr))).toBe('10.1.0.0/20');
    expect(formatIp(lastIp(cidr))).toBe('10.1.15.255');
    expect(formatIp(nthIp(cidr, 1n))).toBe('10.1.0.1');
    expect(() => nthIp(cidr, 4096n)).toThrow(RangeError);
  });

  test('a network contains its first and last address and nothing outside', () => {
    fc.assert(
      fc.property(anyCidr, anyIp, (cidr, ip) => {
        expect(contains(cidr, firstIp(cidr))).toBe(true);
        expect(contains(cidr, lastIp(cidr))).toBe(true);
        const inside =
          ip.family === cidr.ip.family &&
          compareIp(ip, firstIp(cidr)) >= 0 &&
          compareIp(ip, lastIp(cidr)) <= 0;
        expect(contains(cidr, ip)).toBe(inside);
      }),
    );
  });

  test('overlap is containment one way or the other', () => {
    fc.assert(
      fc.property(anyCidr, anyCidr, (a, b) => {
        const separate =
          a.ip.family !== b.ip.family ||
          compareIp(lastIp(a), firstIp(b)) < 0 ||
          compareIp(lastIp(b), firstIp(a)) < 0;
        expect(overlaps(a, b)).toBe(!separate);
        if (containsCidr(a, b)) expect(overlaps(a, b)).toBe(true);
      }),
    );
  });

  test('text leads back to the network', () => {
    fc.assert(
      fc.property(anyCidr, (cidr) => {
        const read = parseCidr(formatCidr(cidr));
        expect(read && cidrEquals(read, cidr)).toBe(true);
      }),
    );
  });
});

test('Ethernet addresses', () => {
  expect(formatMac(parseMac('0A-58-0a:00:00:01') ?? new Uint8Array())).toBe('0a:58:0a:00:00:01');
  expect(parseMac('0a:58:0a:00:00')).toBeUndefined();
  expect(parseMac('0a:58:0a:00:00:0g')).toBeUndefined();
});
