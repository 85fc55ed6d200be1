import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Ip } from '../../../shared/ip/ip.ts';
import { addIp, formatIp, parseIp } from '../../../shared/ip/ip.ts';
import type { Candidate } from './allocator.ts';
import { Candidates } from './allocator.ts';
import type { Range, RangeSet } from './ranges.ts';
import { readRange } from './ranges.ts';

function range(subnet: string, rangeStart?: string, rangeEnd?: string, gateway?: string): Range {
  return readRange({ subnet, rangeStart, rangeEnd, gateway }, 'range');
}

function ip(text: string): Ip {
  const parsed = parseIp(text);
  if (!parsed) throw new Error(text);
  return parsed;
}

function walk(set: RangeSet, last: Ip | undefined, limit: number = 1000): string[] {
  const candidates = new Candidates(set, last);
  const found: string[] = [];
  for (let next = candidates.next(); next && found.length < limit; next = candidates.next())
    found.push(formatIp(next.ip));
  return found;
}

/** The same walk the long way: all addresses in order, turned so that it begins behind `last`. */
function model(set: RangeSet, last: Ip | undefined): string[] {
  const all: { text: string; gateway: boolean }[] = [];
  for (const { start, end, gateway } of set) {
    for (let value = start.value; value <= end.value; value++) {
      all.push({ text: formatIp({ family: start.family, value }), gateway: value === gateway.value });
    }
  }
  const at = last === undefined ? -1 : all.findIndex(({ text }) => text === formatIp(last));
  const turned = at < 0 ? all : [...all.slice(at + 1), ...all.slice(0, at + 1)];
  return turned.filter(({ gateway }) => !gateway).map(({ text }) => text);
}

/** Disjoint ranges within one /24 each, any part of it, gateways anywhere. */
const ranges: fc.Arbitrary<RangeSet> = fc
  .array(
    fc.tuple(
      fc.integer({ min: 0, max: 30 }),
      fc.integer({ min: 0, max: 12 }),
      fc.integer({ min: 0, max: 255 }),
    ),
    { minLength: 1, maxLength: 3 },
  )
  .map(
    (parts) =>
      parts.map(([start, length, gateway], index) =>
        range(
          `10.0.${index}.0/24`,
          `10.0.${index}.${start}`,
          `10.0.${index}.${start + length}`,
          `10.0.${index}.${gateway}`,
        ),
      ) as unknown as RangeSet,
  );

describe('the order of addresses', () => {
  test('a fresh range starts at its first address, without the gateway', () => {
    expect(walk([range('10.1.0.0/29')], undefined)).toEqual([
      '10.1.0.2',
      '10.1.0.3',
      '10.1.0.4',
      '10.1.0.5',
      '10.1.0.6',
    ]);
  });

  test('goes on behind the last one and tries that one again at the very end', () => {
    expect(walk([range('10.1.0.0/29')], ip('10.1.0.4'))).toEqual([
      '10.1.0.5',
      '10.1.0.6',
      '10.1.0.2',
      '10.1.0.3',
      '10.1.0.4',
    ]);
  });

  test('a last one outside of the ranges counts as none', () => {
    expect(walk([range('10.1.0.0/29')], ip('10.2.0.4'))[0]).toBe('10.1.0.2');
    expect(walk([range('10.1.0.0/29')], ip('fd00::4'))[0]).toBe('10.1.0.2');
  });

  test('goes through all ranges of a set', () => {
    const set: RangeSet = [range('10.1.0.0/30'), range('10.2.0.0/29', '10.2.0.5')];
    expect(walk(set, ip('10.2.0.5'))).toEqual(['10.2.0.6', '10.1.0.2', '10.2.0.5']);
  });

  test('ends at the last address of the family', () => {
    expect(walk([range('255.255.255.248/29', undefined, '255.255.255.255')], undefined)).toHaveLength(6);
  });

  test('an IPv6 range is not counted out', () => {
    expect(walk([range('fd00::/64')], ip('fd00::ffff:ffff:ffff:fffe'), 3)).toEqual([
      'fd00::ffff:ffff:ffff:ffff',
      'fd00::2',
      'fd00::3',
    ]);
  });

  test('is the model’s, for any ranges and any last address', () => {
    fc.assert(
      fc.property(
        ranges,
        fc.integer({ min: 0, max: 2 }),
        fc.integer({ min: 0, max: 45 }),
        (set, third, fourth) => {
          for (const last of [undefined, ip(`10.0.${third}.${fourth}`)])
            expect(walk(set, last)).toEqual(model(set, last));
        },
      ),
      { numRuns: 500 },
    );
  });
});

/** The first that is not taken, with runs of taken ones left out at once. */
function firstFree(set: RangeSet, last: Ip | undefined, isTaken: (ip: Ip) => boolean): Candidate | undefined {
  const candidates = new Candidates(set, last);
  for (let found = candidates.next(); found; found = candidates.next()) {
    let run = 0;
    while (run < 300 && isTaken(addIp(found.ip, BigInt(run)))) run++;
    if (run === 0) return found;
    candidates.skip(run - 1);
  }
  return undefined;
}

describe('the first free address', () => {
  test('is the model’s first that is not taken', () => {
    fc.assert(
      fc.property(ranges, fc.integer({ min: 0, max: 45 }), fc.func(fc.boolean()), (set, fourth, taken) => {
        const last = ip(`10.0.0.${fourth}`);
        const isTaken = (address: Ip): boolean => taken(formatIp(address));
        const found = firstFree(set, last, isTaken);
        expect(found && formatIp(found.ip)).toBe(model(set, last).find((text) => !taken(text)));
      }),
      { numRuns: 300 },
    );
  });

  test('is not found where none is', () => {
    const set: RangeSet = [range('10.1.0.0/30'), range('10.2.0.0/24')];
    for (const last of [undefined, '10.1.0.2', '10.2.0.100', '10.9.9.9'])
      expect(firstFree(set, last === undefined ? last : ip(last), () => true)).toBeUndefined();
  });

  test('belongs to the range it is of', () => {
    const set: RangeSet = [range('10.1.0.0/30'), range('10.2.0.0/24')];
    const found = firstFree(set, undefined, (address) => formatIp(address) === '10.1.0.2');
    expect(found && formatIp(found.range.gateway)).toBe('10.2.0.1');
  });
});
