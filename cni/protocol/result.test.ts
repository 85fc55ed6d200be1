import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatCidr } from '../../shared/ip/cidr.ts';
import type { Ip } from '../../shared/ip/ip.ts';
import { isCniError } from './error.ts';
import type { JsonObject } from './json.ts';
import type { Interface, IpConfig, Result, Route } from './result.ts';
import { emptyResult } from './result.ts';
import { decodeResult } from './result-decode.ts';
import { encodeResult } from './result-encode.ts';
import type { CniVersion } from './version.ts';
import { supportedVersions } from './version.ts';

const decode = (raw: JsonObject, implicitVersion?: CniVersion): Result =>
  decodeResult(raw, { path: 'result', ...(implicitVersion ? { implicitVersion } : {}) });

/** Everything a 1.1.0 result can say. */
const full: JsonObject = {
  cniVersion: '1.1.0',
  interfaces: [
    { name: 'cni0', mac: '00:11:22:33:44:55' },
    {
      name: 'eth0',
      mac: '99:88:77:66:55:44',
      mtu: 1450,
      sandbox: '/run/netns/blue',
      socketPath: '/s',
      pciID: '1:2',
    },
  ],
  ips: [
    { address: '10.1.0.5/16', gateway: '10.1.0.1', interface: 1 },
    { address: '10.2.0.5/16', interface: 1 },
    { address: 'fd00::5/64', gateway: 'fd00::1', interface: 0 },
  ],
  routes: [
    { dst: '0.0.0.0/0', gw: '10.1.0.1', mtu: 1400, advmss: 1360, priority: 10, table: 0, scope: 0 },
    { dst: '::/0' },
  ],
  dns: { nameservers: ['10.1.0.1'], domain: 'local', search: ['a', 'b'], options: ['ndots:5'] },
};

/** The same as each older version has it; 0.1.0 and 0.2.0, 0.3.0 to 0.4.0 are alike. */
const golden: Record<CniVersion, JsonObject> = (() => {
  const families = {
    ip4: { ip: '10.1.0.5/16', gateway: '10.1.0.1', routes: [{ dst: '0.0.0.0/0', gw: '10.1.0.1' }] },
    ip6: { ip: 'fd00::5/64', gateway: 'fd00::1', routes: [{ dst: '::/0' }] },
    dns: full['dns'],
  };
  const lists = {
    interfaces: [
      { name: 'cni0', mac: '00:11:22:33:44:55' },
      { name: 'eth0', mac: '99:88:77:66:55:44', sandbox: '/run/netns/blue' },
    ],
    ips: [
      { version: '4', address: '10.1.0.5/16', gateway: '10.1.0.1', interface: 1 },
      { version: '4', address: '10.2.0.5/16', interface: 1 },
      { version: '6', address: 'fd00::5/64', gateway: 'fd00::1', interface: 0 },
    ],
    routes: full['routes'],
    dns: full['dns'],
  };
  return {
    '0.1.0': { cniVersion: '0.1.0', ...families },
    '0.2.0': { cniVersion: '0.2.0', ...families },
    '0.3.0': { cniVersion: '0.3.0', ...lists },
    '0.3.1': { cniVersion: '0.3.1', ...lists },
    '0.4.0': { cniVersion: '0.4.0', ...lists },
    '1.0.0': { ...full, cniVersion: '1.0.0' },
    '1.1.0': full,
  };
})();

const ip4: fc.Arbitrary<Ip> = fc.bigInt(0n, 0xffffffffn).map((value) => ({ family: 4 as const, value }));
const ip6: fc.Arbitrary<Ip> = fc
  .bigInt(0n, (1n << 128n) - 1n)
  // IPv4-mapped addresses are IPv4 ones to both Go and shared/ip.
  .filter((value) => value >> 32n !== 0xffffn)
  .map((value) => ({ family: 6 as const, value }));
const ip = fc.oneof(ip4, ip6);
const cidr = fc.oneof(
  fc.record({ ip: ip4, prefix: fc.integer({ min: 0, max: 32 }) }),
  fc.record({ ip: ip6, prefix: fc.integer({ min: 0, max: 128 }) }),
);
const text = fc.string({ minLength: 1, maxLength: 8 });
const positive = fc.integer({ min: 1, max: 65535 });
const uint = fc.integer({ min: 0, max: 0xffffffff });
const optional = { requiredKeys: [] };
const anInterface: fc.Arbitrary<Interface> = fc.record(
  { name: text, mac: text, mtu: positive, sandbox: text, socketPath: text, pciId: text },
  { requiredKeys: ['name'] },
);
const anIp: fc.Arbitrary<IpConfig> = fc.record(
  { address: cidr, gateway: ip, interface: fc.nat(3) },
  { requiredKeys: ['address'] },
);
const aRoute: fc.Arbitrary<Route> = fc.record(
  { dst: cidr, gw: ip, mtu: positive, advmss: positive, priority: positive, table: uint, scope: uint },
  { requiredKeys: ['dst'] },
);
const texts = fc.array(text, { minLength: 1, maxLength: 3 });
const aResult: fc.Arbitrary<Result> = fc.record({
  interfaces: fc.array(anInterface, { maxLength: 3 }),
  ips: fc.array(anIp, { maxLength: 4 }),
  routes: fc.array(aRoute, { maxLength: 4 }),
  dns: fc.record({ nameservers: texts, domain: text, search: texts, options: texts }, optional),
});

/** What is left of a result once `version` has carried it. */
function carried(result: Result, version: CniVersion): Result {
  if (version === '1.1.0' || version === '1.0.0') return result;
  const plain = result.interfaces.map(({ mtu, socketPath, pciId, ...rest }) => rest);
  if (version !== '0.1.0' && version !== '0.2.0') return { ...result, interfaces: plain };
  const first = ([4, 6] as const).map((family) =>
    result.ips.find((entry) => entry.address.ip.family === family),
  );
  const ips = first.flatMap((entry) => (entry ? [entry] : []));
  return {
    interfaces: [],
    ips: ips.map(({ interface: _, ...rest }) => rest),
    routes: ips.flatMap((entry) =>
      result.routes
        .filter((route) => route.dst.ip.family === entry.address.ip.family)
        .map(({ dst, gw }) => (gw ? { dst, gw } : { dst })),
    ),
    dns: result.dns,
  };
}

describe('conversion', () => {
  test.each(supportedVersions)('down to %s', (version) => {
    expect(encodeResult(decode(full), version)).toEqual(golden[version]);
  });

  test.each(supportedVersions)('up from %s', (version) => {
    expect(decode(golden[version])).toEqual(carried(decode(full), version));
  });

  test.each(supportedVersions)('down to %s and up keeps what the version can carry', (version) => {
    fc.assert(
      fc.property(aResult, (result) => {
        fc.pre(result.ips.length > 0 || version > '0.2.0');
        const wire = JSON.parse(JSON.stringify(encodeResult(result, version)));
        expect(decode(wire)).toEqual(carried(result, version));
        // Once lost, nothing more is lost: the second round is the identity.
        expect(encodeResult(decode(wire), version)).toEqual(wire);
      }),
      { numRuns: 200 },
    );
  });

  test('a result without addresses has no form before 0.3.0', () => {
    for (const version of ['0.1.0', '0.2.0'] as const) {
      expect(() => encodeResult(emptyResult, version)).toThrow('cannot be expressed');
    }
    expect(encodeResult(emptyResult, '0.3.0')).toEqual({ cniVersion: '0.3.0' });
  });

  test('an IPAM result has neither interfaces nor their index', () => {
    const ipam = decode({
      cniVersion: '1.1.0',
      ips: [{ address: '10.0.0.2/24' }],
      routes: [{ dst: '0.0.0.0/0' }],
    });
    expect(encodeResult(ipam, '1.1.0')).toEqual({
      cniVersion: '1.1.0',
      ips: [{ address: '10.0.0.2/24' }],
      routes: [{ dst: '0.0.0.0/0' }],
    });
  });
});

describe('decodeResult', () => {
  test('empty and null parts are empty', () => {
    const empty = { cniVersion: '1.1.0', interfaces: null, ips: [], routes: null, dns: {} };
    expect(decode(empty)).toEqual(emptyResult);
    expect(decode({ ip4: null })).toEqual(emptyResult);
  });

  test('zero and empty values count as absent, as the reference library leaves them out', () => {
    const raw = {
      cniVersion: '1.0.0',
      interfaces: [{ name: 'a', mac: '', mtu: 0, sandbox: '' }],
      ips: [{ address: '10.0.0.2/24', gateway: '' }],
      routes: [{ dst: '10.0.0.0/8', gw: '', mtu: 0, priority: 0, table: 0, scope: 0 }],
      dns: { domain: '', search: [] },
    };
    const result = decode(raw);
    expect(result.interfaces).toEqual([{ name: 'a' }]);
    expect(result.ips).toEqual([{ address: expect.anything() }]);
    expect(result.routes).toEqual([{ dst: expect.anything(), table: 0, scope: 0 }]);
    expect(result.dns).toEqual({});
  });

  test('host bits are kept in addresses and destinations', () => {
    const result = decode({
      cniVersion: '1.0.0',
      ips: [{ address: '10.0.0.2/8' }],
      routes: [{ dst: '10.1.2.3/8' }],
    });
    expect(formatCidr(result.ips[0]!.address)).toBe('10.0.0.2/8');
    expect(formatCidr(result.routes[0]!.dst)).toBe('10.1.2.3/8');
  });

  test.each([
    [{ ips: [{}] }, 'result.ips[0].address is missing'],
    [{ ips: [{ address: '10.0.0.300/8' }] }, 'result.ips[0].address'],
    [{ ips: [{ address: '10.0.0.3/33' }] }, 'result.ips[0].address'],
    [{ ips: [{ address: '10.0.0.3/8', gateway: 'x' }] }, 'result.ips[0].gateway'],
    [{ ips: [{ address: '10.0.0.3/8', interface: -1 }] }, 'result.ips[0].interface'],
    [{ ips: [null] }, 'result.ips[0]'],
    [{ interfaces: [1] }, 'result.interfaces[0]'],
    [{ interfaces: [{ name: 1 }] }, 'result.interfaces[0].name'],
    [{ routes: [{ gw: '10.0.0.1' }] }, 'result.routes[0].dst'],
    [{ routes: [{ dst: '10.0.0.0/8', mtu: 1.5 }] }, 'result.routes[0].mtu'],
    [{ routes: [{ dst: '10.0.0.0/8', table: '1' }] }, 'result.routes[0].table'],
    [{ dns: { search: 'a' } }, 'result.dns.search'],
    [{ dns: [] }, 'result.dns'],
    [{ cniVersion: 1 }, 'result.cniVersion'],
  ])('%j is code 6 and names the place', (part, message) => {
    try {
      decode({ cniVersion: '1.1.0', ...part });
      expect.unreachable();
    } catch (error) {
      expect(isCniError(error, 6) && error.message).toContain(message);
    }
  });

  test("an address under the other family's key is refused", () => {
    expect(() => decode({ ip4: { ip: 'fd00::1/64' } })).toThrow('result.ip4.ip must be an IPv4 address');
  });

  test('an unknown version is code 1', () => {
    expect(() => decode({ cniVersion: '2.0.0' })).toThrow('CNI version "2.0.0" of result is not supported');
  });
});
