import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Cidr, networkOf } from '../../ip/cidr.ts';
import type { Json } from '../registry.ts';
import { cidr, ip } from '../registry-samples.ts';
import { decodeAttributes, encodeAttributes } from './attributes.ts';
import { configKey, ipv4Part, parseSubnetName, subnetName, subnetsPrefix } from './keys.ts';
import { IDS_PER_INSTANCE, isLeaseOf, leaseIdsOf } from './lease-id.ts';
import {
  epochOf,
  formatEtcdVersion,
  isContinued,
  parseEtcdVersion,
  remember,
  withWitness,
} from './memory.ts';

const anySubnet = (family: 4 | 6): fc.Arbitrary<Cidr> => {
  const bits = family === 4 ? 32 : 128;
  // Below 2^32 IPv6 addresses are others' forms of IPv4.
  const value = fc.bigInt({ min: family === 4 ? 1n : 1n << 100n, max: (1n << BigInt(bits)) - 1n });
  return fc
    .record({ value, prefix: fc.integer({ min: family === 4 ? 1 : 30, max: bits }) })
    .map(({ value, prefix }) => networkOf({ ip: { family, value }, prefix }));
};

describe('keys', () => {
  test('there and back', () => {
    const subnets = fc
      .record({ subnet: anySubnet(4), subnetV6: anySubnet(6) }, { requiredKeys: [] })
      .filter(({ subnet, subnetV6 }) => subnet !== undefined || subnetV6 !== undefined);
    fc.assert(
      fc.property(subnets, (each) => {
        expect(parseSubnetName(subnetName(each))).toEqual(each);
      }),
    );
  });

  test.each([
    ['10.244.1.0-24', { subnet: cidr('10.244.1.0/24') }],
    ['10.244.1.7-24', { subnet: cidr('10.244.1.0/24') }],
    ['10.244.1.0-24&fd00:1::-64', { subnet: cidr('10.244.1.0/24'), subnetV6: cidr('fd00:1::/64') }],
    ['0.0.0.0-0&fd00:1::-64', { subnetV6: cidr('fd00:1::/64') }],
  ])('%s', (name, subnets) => {
    expect(parseSubnetName(name)).toEqual(subnets);
    expect(name.startsWith(ipv4Part(name))).toBe(true);
  });

  test.each([
    '',
    'x',
    '10.244.1.0',
    '10.244.1.0-33',
    '10.244.1.0-2x',
    '10.244.1.0-24&',
    '10.244.1.0-24&10.1.0.0-24',
    '0.0.0.0-0',
    'fd00::-64',
    '10.244.1.0-24/more',
  ])('%j is none', (name) => expect(parseSubnetName(name)).toBe(undefined));

  test("flannel's places", () => {
    expect([configKey('/a'), subnetsPrefix('/a')]).toEqual(['/a/config', '/a/subnets/']);
  });
});

describe('values', () => {
  test('there and back, whatever the backend says', () => {
    const data = fc.option(fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<Json>, { nil: undefined });
    const backend = fc.record({ type: fc.constantFrom('vxlan', 'host-gw', 'x<y'), data, v6Data: data });
    fc.assert(
      fc.property(backend, fc.boolean(), fc.boolean(), ({ type, data: v4, v6Data }, has4, has6) => {
        const attributes = {
          ...(has4 && { publicIp: ip('192.0.2.1') }),
          ...(has6 && { publicIpV6: ip('2001:db8::1') }),
          backend: { type, ...(v4 !== undefined && { data: v4 }), ...(v6Data !== undefined && { v6Data }) },
        };
        const text = encodeAttributes(attributes);
        // JSON has no minus zero, and -0 is written as 0.
        expect(decodeAttributes(text)).toEqual({
          ...JSON.parse(JSON.stringify(attributes, big), small),
          nameless: false,
        });
        expect(text).not.toMatch(/[<>&\u2028\u2029]/);
      }),
    );
  });

  test.each(['', 'null', '7', '[]', '{'])('%j is none', (text) =>
    expect(decodeAttributes(text)).toBe(undefined),
  );

  test('what is odd in it is left out', () => {
    expect(decodeAttributes('{"PublicIP":7,"PublicIPv6":"192.0.2.1","BackendType":""}')).toEqual({
      backend: { type: 'alloc' },
      nameless: true,
    });
  });
});

/** Marks what JSON has no type for; a text of the data's own begins so once in 10^30 times. */
const BIG = 'a bigint, not a text: ';
const big = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? `${BIG}${value}` : value);
const small = (_: string, value: unknown): unknown =>
  typeof value === 'string' && value.startsWith(BIG) ? BigInt(value.slice(BIG.length)) : value;

test('lease ids are positive, and tell the instance', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (one, other) => {
      const first = leaseIdsOf(one);
      expect(first > 0n && first < 1n << 63n && first % IDS_PER_INSTANCE === 0n).toBe(true);
      expect(isLeaseOf(first + IDS_PER_INSTANCE - 1n, first)).toBe(true);
      expect(isLeaseOf(first + IDS_PER_INSTANCE, first)).toBe(false);
      expect(isLeaseOf(first, leaseIdsOf(other))).toBe(one === other);
    }),
  );
});

describe('what is remembered of etcd', () => {
  const header = (revision: bigint, clusterId = 0xffn) => ({
    revision,
    clusterId,
    memberId: 1n,
    raftTerm: 1n,
  });

  test('revisions grow; a lower one, or another cluster, is a loss', () => {
    const first = remember(undefined, undefined, header(10n), 1);
    expect(first).toEqual({ cluster: 'ff', revision: 10n, losses: 0 });
    expect(remember(first, first, header(10n), 2)).toBe(first);
    const later = remember(first, first, header(12n), 3);
    expect(epochOf(later)).toBe(epochOf(first));
    const wiped = remember(later, later, header(3n), 4);
    expect(wiped).toEqual({ cluster: 'ff', revision: 3n, losses: 1, lostAt: 4 });
    const other = remember(wiped, wiped, header(50n, 0xeen), 5);
    expect(new Set([first, wiped, other].map(epochOf)).size).toBe(3);
    // Asked before others were, and told after them.
    expect(remember(later, first, header(11n), 6)).toBe(later);
    expect(remember(later, undefined, header(11n), 6)).toBe(later);
    expect(remember(wiped, later, header(3n), 6)).toBe(wiped);
    expect(remember(wiped, first, header(13n), 6)).toBe(wiped);
    expect(remember(other, wiped, header(4n), 6)).toBe(other);
    expect(isContinued(later, header(11n))).toBe(false);
  });

  test('the latest key that was seen is the witness', () => {
    const first = remember(undefined, undefined, header(10n), 1);
    const seen = withWitness(first, [
      { key: 'a', modRevision: 4n },
      { key: 'b', modRevision: 12n },
      { key: 'c', modRevision: 7n },
    ]);
    expect(seen).toEqual({ ...first, revision: 12n, witness: { key: 'b', modRevision: 12n } });
    expect(withWitness(seen, [{ key: 'd', modRevision: 11n }])).toBe(seen);
    expect(withWitness(seen, [])).toBe(seen);
    expect(remember(seen, seen, header(2n), 2).witness).toBe(undefined);
  });

  test('versions there and back', () => {
    const version = formatEtcdVersion(2n ** 62n, 'cdf818194e3a8c32');
    expect(parseEtcdVersion(version)).toEqual({ revision: 2n ** 62n, cluster: 'cdf818194e3a8c32' });
    for (const none of ['', '1', '1.', '.ff', '-1.ff', '1.FG'])
      expect(parseEtcdVersion(none)).toBe(undefined);
  });
});
