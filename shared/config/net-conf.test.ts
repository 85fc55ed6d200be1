import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { containsCidr, formatCidr, networkOf } from '../ip/cidr.ts';
import { compareIp, formatIp, ipEquals } from '../ip/ip.ts';
import { type FamilyConf, NetConfError, parseNetConf } from './net-conf.ts';

function parse(conf: unknown): ReturnType<typeof parseNetConf> {
  return parseNetConf(JSON.stringify(conf));
}

function show(family: FamilyConf | undefined): string | undefined {
  if (family === undefined) return undefined;
  const { network, subnetLen, subnetMin, subnetMax } = family;
  return `${formatCidr(network)} /${subnetLen} ${formatIp(subnetMin)}-${formatIp(subnetMax)}`;
}

describe('defaults', () => {
  test('a Network alone gives IPv4, /24 and vxlan', () => {
    const conf = parse({ Network: '10.244.0.0/16' });
    expect(show(conf.ipv4)).toBe('10.244.0.0/16 /24 10.244.1.0-10.244.255.0');
    expect(conf.ipv6).toBeUndefined();
    expect(conf.enableNFTables).toBeUndefined();
    expect(conf.backend).toEqual({ type: 'vxlan', options: {} });
    expect(conf.unknownKeys).toEqual([]);
  });

  test.each([
    ['10.0.0.0/8', '10.0.0.0/8 /24 10.0.1.0-10.255.255.0'],
    ['10.0.0.0/22', '10.0.0.0/22 /24 10.0.1.0-10.0.3.0'],
    ['10.0.0.0/23', '10.0.0.0/23 /25 10.0.0.128-10.0.1.128'],
    ['10.0.0.0/28', '10.0.0.0/28 /30 10.0.0.4-10.0.0.12'],
    ['10.244.7.9/16', '10.244.0.0/16 /24 10.244.1.0-10.244.255.0'],
  ])('%s', (network, expected) => {
    expect(show(parse({ Network: network }).ipv4)).toBe(expected);
  });

  test.each([
    ['fd00:244::/48', 'fd00:244::/48 /64 fd00:244:0:1::-fd00:244:0:ffff::'],
    ['fd00::/62', 'fd00::/62 /64 fd00:0:0:1::-fd00:0:0:3::'],
    ['fd00::/112', 'fd00::/112 /114 fd00::4000-fd00::c000'],
    ['fd00::/124', 'fd00::/124 /126 fd00::4-fd00::c'],
  ])('%s', (network, expected) => {
    const conf = parse({ EnableIPv4: false, EnableIPv6: true, IPv6Network: network });
    expect(show(conf.ipv6)).toBe(expected);
    expect(conf.ipv4).toBeUndefined();
  });
});

describe('every key', () => {
  test('dual stack with ranges, lengths and a backend with keys of its own', () => {
    const conf = parse({
      Network: '10.0.0.0/8',
      EnableIPv4: true,
      EnableIPv6: true,
      EnableNFTables: true,
      IPv6Network: 'fd00::/48',
      SubnetLen: 20,
      SubnetMin: '10.10.0.0',
      SubnetMax: '10.99.0.0',
      IPv6SubnetLen: 80,
      IPv6SubnetMin: 'fd00::1:0:0:0',
      IPv6SubnetMax: 'fd00::ff:0:0:0',
      Backend: { Type: 'VXLAN', VNI: 7, DirectRouting: true, Port: 8472, future: { a: [1] } },
    });
    expect(show(conf.ipv4)).toBe('10.0.0.0/8 /20 10.10.0.0-10.99.0.0');
    expect(show(conf.ipv6)).toBe('fd00::/48 /80 fd00::1:0:0:0-fd00::ff:0:0:0');
    expect(conf.enableNFTables).toBe(true);
    expect(conf.backend).toEqual({
      type: 'vxlan',
      options: { VNI: 7, DirectRouting: true, Port: 8472, future: { a: [1] } },
    });
  });

  test('keys in another letter case are taken, unknown ones are named', () => {
    const conf = parse({ network: '10.1.0.0/16', Netwrok: 'x', backend: { type: 'host-gw' } });
    expect(show(conf.ipv4)).toBe('10.1.0.0/16 /24 10.1.1.0-10.1.255.0');
    expect(conf.backend.type).toBe('host-gw');
    expect(conf.unknownKeys).toEqual(['Netwrok']);
  });

  test('what k3s writes for a single-stack cluster', () => {
    const conf = parse({
      Network: '10.42.0.0/16',
      EnableIPv6: false,
      EnableIPv4: true,
      IPv6Network: '::/0',
      Backend: { Type: 'vxlan' },
    });
    expect(show(conf.ipv4)).toBe('10.42.0.0/16 /24 10.42.1.0-10.42.255.0');
    expect(conf.ipv6).toBeUndefined();
  });

  test('null is absent and a byte order mark is skipped', () => {
    const conf = parseNetConf(
      '\uFEFF{"Network":"10.1.0.0/16","SubnetMin":null,"SubnetLen":0,"Backend":null}',
    );
    expect(show(conf.ipv4)).toBe('10.1.0.0/16 /24 10.1.1.0-10.1.255.0');
  });
});

describe('errors say what to do', () => {
  const v4 = (more: object): object => ({ Network: '10.0.0.0/16', ...more });
  const v6 = (more: object): object => ({
    EnableIPv4: false,
    EnableIPv6: true,
    IPv6Network: 'fd00::/48',
    ...more,
  });
  test.each<[object | unknown[], RegExp]>([
    [[], /must be an object/],
    [{}, /Network is missing but EnableIPv4 is on; write an IPv4 network/],
    [{ EnableIPv4: false }, /both false; set one/],
    [{ EnableIPv4: 'yes', Network: '10.0.0.0/16' }, /EnableIPv4 is "yes"; write true or false/],
    [{ Network: '10.0.0.0' }, /Network is "10.0.0.0"; write/],
    [{ Network: 10 }, /Network is 10; write/],
    [{ Network: 'fd00::/48' }, /write an IPv4 network/],
    [{ Network: '10.0.0.0/29' }, /too small.*\/28 or shorter/],
    [v4({ EnableIPv6: true }), /IPv6Network is missing but EnableIPv6 is on/],
    [v6({ IPv6Network: 'fd00::/125' }), /too small.*\/124 or shorter/],
    [v6({ IPv6Network: '10.0.0.0/8' }), /write an IPv6 network/],
    [v4({ SubnetLen: 17 }), /SubnetLen is 17; use 18 to 30/],
    [v4({ SubnetLen: 31 }), /SubnetLen is 31; use 18 to 30/],
    [v4({ SubnetLen: '24' }), /SubnetLen is "24"; write a number/],
    [v4({ SubnetLen: 24.5 }), /write a number/],
    [v6({ IPv6SubnetLen: 127 }), /IPv6SubnetLen is 127; use 50 to 126/],
    [v4({ SubnetMin: '10.1.0.0' }), /SubnetMin 10.1.0.0 lies outside 10.0.0.0\/16/],
    [v4({ SubnetMax: '10.0.1.5' }), /SubnetMax 10.0.1.5 is no start of a \/24; write 10.0.1.0/],
    [v4({ SubnetMin: '10.0.9.0', SubnetMax: '10.0.3.0' }), /SubnetMin lies above SubnetMax.*swap/],
    [v4({ SubnetMin: 'x' }), /SubnetMin is "x"; write a subnet's address/],
    [v6({ IPv6SubnetMin: '10.0.0.0' }), /write a subnet's address such as "fd00/],
    [v4({ Backend: 'vxlan' }), /Backend is "vxlan"; write an object/],
    [v4({ Backend: {} }), /Backend has no Type/],
    [v4({ network: '10.0.0.0/16' }), /Network is given twice/],
  ])('%j', (conf, message) => {
    expect(() => parse(conf)).toThrow(message);
    expect(() => parse(conf)).toThrow(NetConfError);
  });

  test('text that is no JSON', () => {
    expect(() => parseNetConf('{"Network": "10.0.0.0/16",}')).toThrow(/not valid JSON .*check commas/);
  });
});

test('whatever is accepted has its range aligned and inside the network', () => {
  const byte = fc.integer({ min: 0, max: 255 });
  const conf = fc.record(
    {
      Network: fc.integer({ min: 4, max: 29 }).map((len) => `10.244.0.0/${len}`),
      SubnetLen: fc.integer({ min: 16, max: 32 }),
      SubnetMin: fc.tuple(byte, byte).map((bytes) => `10.${bytes.join('.')}.0`),
      SubnetMax: fc.tuple(byte, byte).map((bytes) => `10.${bytes.join('.')}.0`),
    },
    { requiredKeys: ['Network'] },
  );
  let accepted = 0;
  fc.assert(
    fc.property(conf, (value) => {
      let family: FamilyConf | undefined;
      try {
        family = parse(value).ipv4;
      } catch (error) {
        expect(error).toBeInstanceOf(NetConfError);
        return;
      }
      accepted += 1;
      if (family === undefined) throw new Error('IPv4 is on by default');
      for (const ip of [family.subnetMin, family.subnetMax]) {
        const subnet = networkOf({ ip, prefix: family.subnetLen });
        expect(ipEquals(subnet.ip, ip)).toBe(true);
        expect(containsCidr(family.network, subnet)).toBe(true);
      }
      expect(compareIp(family.subnetMin, family.subnetMax)).toBeLessThanOrEqual(0);
    }),
    { numRuns: 1000 },
  );
  expect(accepted).toBeGreaterThan(50);
});
