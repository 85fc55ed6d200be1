import fc from 'fast-check';
import { expect, test } from 'vitest';
import { addressOfFile, formatRecord, isTemporary, matchOwner, parseRecord } from './record.ts';

const pod = { containerId: 'abc', ifname: 'eth0' };

test('a record is what upstream writes', () => {
  expect(formatRecord(pod)).toBe('abc\r\neth0');
  fc.assert(
    fc.property(
      fc.stringMatching(/^[a-z0-9]{1,64}$/),
      fc.stringMatching(/^[a-z0-9]{1,15}$/),
      (containerId, ifname) => {
        expect(parseRecord(formatRecord({ containerId, ifname }))).toEqual({ containerId, ifname });
      },
    ),
  );
});

test.each([
  ['abc\r\neth0', 'exact'],
  ['abc\r\neth0\n', 'exact'],
  ['abc', 'legacy'],
  ['abc\n', 'legacy'],
  ['abc\r\neth1', undefined],
  ['abcd\r\neth0', undefined],
  ['', undefined],
  ['\r\n', undefined],
  ['\0\0\0', undefined],
])('%j belongs to abc, eth0: %s', (text, match) => {
  expect(matchOwner(parseRecord(text), pod)).toBe(match);
});

test('addresses are told from other files', () => {
  expect(addressOfFile('10.1.0.2')).toBeDefined();
  expect(addressOfFile('fd00:9::2')).toBeDefined();
  for (const name of ['lock', 'last_reserved_ip.0', '.10.1.0.2.77.1.tmp', '10.1.0']) {
    expect(addressOfFile(name)).toBeUndefined();
  }
  expect(isTemporary('.10.1.0.2.77.1.tmp')).toBe(true);
  expect(isTemporary('10.1.0.2')).toBe(false);
});
