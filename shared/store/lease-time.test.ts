import { expect, test } from 'vitest';
import { expiresAtMs, isExpired, remainingMs } from './lease-time.ts';

const renewed = { wallMs: 1_000_000, bootMs: 5_000, bootId: 'a' };
const term = { renewed, durationMs: 60_000 };

test('within a boot the boot clock decides, whatever happens to the wall clock', () => {
  expect(remainingMs(term, { wallMs: 9e12, bootMs: 6_000, bootId: 'a' })).toBe(59_000);
  expect(isExpired(term, { wallMs: 9e12, bootMs: 64_999, bootId: 'a' })).toBe(false);
  expect(isExpired(term, { wallMs: 0, bootMs: 65_000, bootId: 'a' })).toBe(true);
});

test('after a reboot the wall clock decides', () => {
  expect(isExpired(term, { wallMs: 1_059_999, bootMs: 900_000, bootId: 'b' })).toBe(false);
  expect(isExpired(term, { wallMs: 1_060_000, bootMs: 1, bootId: 'b' })).toBe(true);
});

test('the end is told by the wall clock as it is set now', () => {
  expect(expiresAtMs(term, renewed)).toBe(1_060_000);
  expect(expiresAtMs(term, { wallMs: 5_000_000, bootMs: 6_000, bootId: 'a' })).toBe(5_059_000);
});
