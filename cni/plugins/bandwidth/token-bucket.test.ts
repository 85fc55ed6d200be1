import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isTokenBucket, tokenBucket } from './token-bucket.ts';

test('has upstream’s numbers', () => {
  // Captured from the bandwidth plugin 1.9.1 by strace.
  expect(tokenBucket({ rate: 8_000_000, burst: 80_000 }, 'x64')).toEqual({
    kind: 'tbf',
    rate: { rate: 1_000_000 },
    limit: 35_000,
    buffer: 156_250,
  });
  expect(tokenBucket({ rate: 16_000_003, burst: 160_001 }, 'x64')).toMatchObject({
    limit: 70_000,
    buffer: 156_250,
  });
});

test('says rates beyond 32 bits in 64', () => {
  const tbf = tokenBucket({ rate: 80_000_000_000, burst: 8_000_000_000 }, 'x64');
  expect(tbf).toMatchObject({ rate: { rate: 10_000_000_000 % 2 ** 32 }, rate64: 10_000_000_000n });
});

/** What runtimes give for a burst that is not to matter, in bits. */
const anyBurst = 0xffff_ffff;

test('wraps a large burst around as upstream does on amd64, and not on arm64', () => {
  // Captured from the bandwidth plugin 1.9.1 on amd64 by strace.
  const limit = { rate: 1_000, burst: anyBurst };
  expect(tokenBucket(limit, 'x64')).toMatchObject({ limit: 0x2000_0002, buffer: 0x9ffe_17b8 });
  expect(tokenBucket(limit, 'arm64')).toMatchObject({ limit: 0x2000_0002, buffer: 0xffff_ffff });
});

test('never wraps to a bucket that holds no packet', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 8, max: 1e9 }),
      fc.integer({ min: 8, max: 2 ** 35 - 16 }),
      (rate, burst) => {
        const limit = { rate, burst };
        const bytes = (arch: string): number =>
          (tokenBucket(limit, arch).buffer * 64 * Math.floor(rate / 8)) / 1e9;
        expect(bytes('x64')).toBeGreaterThanOrEqual(Math.min(bytes('arm64'), 9_014));
      },
    ),
    { numRuns: 1000 },
  );
});

test('is told from any other', () => {
  const limit = { rate: 8_000_000, burst: 80_000 };
  const tbf = tokenBucket(limit, 'x64');
  expect(isTokenBucket(tbf, limit)).toBe(true);
  for (const other of [{ limit: 35_001 }, { buffer: 156_251 }, { rate: { rate: 1_000_001 } }, { rate64: 5n }])
    expect(isTokenBucket({ ...tbf, ...other }, limit)).toBe(false);
});

test.each(['x64', 'arm64'])('is recognised whichever machine’s arithmetic made it: %s', (arch) => {
  const limit = { rate: 1_000, burst: anyBurst };
  expect(isTokenBucket(tokenBucket(limit, arch), limit)).toBe(true);
});
