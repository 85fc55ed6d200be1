import { expect, test } from 'vitest';
import { goRegExp } from './go-regexp.ts';

test.each([
  ['eth0', 'veth0', true],
  ['^eth[0-9]{1,2}$', 'eth12', true],
  ['(?i)^ETH', 'eth0', true],
  ['(?i)^ETH', 'wlan0', false],
  ['\\Aeth\\d+\\z', 'eth0', true],
  ['\\Aeth\\d+\\z', 'Aeth0z', false],
  ['\\Aeth', 'veth0', false],
  ['^[[:alpha:]]+$', 'eth', true],
  ['^[[:alpha:]]+$', 'eth0', false],
  ['^[^[:digit:]]+[[:digit:]_-]$', 'eth-', true],
  ['^(?P<kind>en|eth)', 'enp3s0', true],
  ['192\\.0\\.2\\.', '192.0.2.7', true],
  ['a\\\\Ab', 'a\\Ab', true],
])('%s on %s: %s', (pattern, text, expected) => {
  expect(goRegExp(pattern).test(text)).toBe(expected);
});

test.each(['(', '[a', 'a(?i)b', '(?U)a'])('%s is refused', (pattern) => {
  expect(() => goRegExp(pattern)).toThrow(SyntaxError);
});
