import { describe, expect, test } from 'vitest';
import { formatCidr } from '../../../shared/ip/cidr.ts';
import { formatIp, parseIp } from '../../../shared/ip/ip.ts';
import type { JsonObject } from '../../protocol/json.ts';
import { describeRanges, inRange, rangesOverlap, readRange } from './ranges.ts';

function shown(raw: JsonObject): Record<string, string> {
  const { subnet, start, end, gateway } = readRange(raw, 'r');
  return {
    subnet: formatCidr(subnet),
    start: formatIp(start),
    end: formatIp(end),
    gateway: formatIp(gateway),
  };
}

describe('what is left out is filled in', () => {
  test.each([
    [{ subnet: '10.1.2.0/24' }, '10.1.2.1', '10.1.2.254', '10.1.2.1'],
    [{ subnet: '10.1.2.0/30' }, '10.1.2.1', '10.1.2.2', '10.1.2.1'],
    [{ subnet: 'fd00:1::/120' }, 'fd00:1::1', 'fd00:1::ff', 'fd00:1::1'],
    [
      { subnet: '10.1.2.0/24', rangeStart: '10.1.2.9', gateway: '10.1.2.254' },
      '10.1.2.9',
      '10.1.2.254',
      '10.1.2.254',
    ],
    [{ subnet: '10.1.2.0/24', rangeEnd: '10.1.2.9', gateway: '' }, '10.1.2.1', '10.1.2.9', '10.1.2.1'],
  ])('%j', (raw, start, end, gateway) => {
    expect(shown(raw)).toEqual({ subnet: raw.subnet, start, end, gateway });
  });
});

describe('what makes no sense is refused with what to do', () => {
  test.each([
    [{}, /r\.subnet is missing/],
    [{ subnet: '10.1.2.0' }, /must be a subnet such as/],
    [{ subnet: '10.1.2.3/24' }, /host bits set: write 10\.1\.2\.0\/24/],
    [{ subnet: '10.1.2.0/31' }, /too small/],
    [{ subnet: 'fd00::/127' }, /too small/],
    [{ subnet: '10.1.2.0/24', rangeStart: '10.1.3.1' }, /rangeStart 10\.1\.3\.1 is not in 10\.1\.2\.0\/24/],
    [{ subnet: '10.1.2.0/24', rangeEnd: 'fd00::1' }, /rangeEnd fd00::1 is not in/],
    [{ subnet: '10.1.2.0/24', rangeStart: '10.1.2.9', rangeEnd: '10.1.2.8' }, /is behind rangeEnd/],
    [{ subnet: '10.1.2.0/24', rangeStart: '10.1.2.255' }, /10\.1\.2\.255 is behind rangeEnd 10\.1\.2\.254/],
    [{ subnet: '10.1.2.0/24', rangeEnd: '10.1.2.0' }, /10\.1\.2\.1 is behind rangeEnd 10\.1\.2\.0/],
    [{ subnet: '10.1.2.0/24', gateway: 'fd00::1' }, /not of the family/],
    [{ subnet: '10.1.2.0/24', gateway: 'x' }, /r\.gateway "x" is no IP address/],
    [{ subnet: 5 }, /r\.subnet must be a string/],
  ])('%j', (raw, message) => {
    expect(() => readRange(raw, 'r')).toThrow(message);
  });
});

test('ranges overlap where they share an address', () => {
  const low = readRange({ subnet: '10.1.0.0/24', rangeEnd: '10.1.0.99' }, 'r');
  const high = readRange({ subnet: '10.1.0.0/24', rangeStart: '10.1.0.100' }, 'r');
  const all = readRange({ subnet: '10.1.0.0/16' }, 'r');
  const v6 = readRange({ subnet: 'fd00::/64' }, 'r');
  expect(rangesOverlap(low, high)).toBe(false);
  expect(rangesOverlap(low, all)).toBe(true);
  expect(rangesOverlap(all, high)).toBe(true);
  expect(rangesOverlap(all, v6)).toBe(false);
  expect(describeRanges([low, high])).toBe('10.1.0.1-10.1.0.99,10.1.0.100-10.1.0.254');
  const [inside, outside] = [parseIp('10.1.0.99'), parseIp('10.1.0.100')];
  expect(inside && inRange(low, inside)).toBe(true);
  expect(outside && inRange(low, outside)).toBe(false);
});
