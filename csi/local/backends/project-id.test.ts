import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeUsage, encodeLimit } from '../../../shared/sys/project-quota.ts';
import { projectCandidate } from './project-id.ts';
import { freeProject } from './quota.ts';

test('numbers are 31 bits, above those of people, and the same every time', () => {
  fc.assert(
    fc.property(fc.string(), fc.nat(200), (name, attempt) => {
      const id = projectCandidate(name, attempt);
      expect(id).toBeGreaterThanOrEqual(0x4000_0000);
      expect(id).toBeLessThan(0x8000_0000);
      expect(projectCandidate(name, attempt)).toBe(id);
    }),
  );
});

test('of ten thousand volumes none gets a number that another has', () => {
  const taken = new Set<number>();
  for (let index = 0; index < 10_000; index++)
    taken.add(freeProject(`/pool/volumes/pvc-${index}`, (id) => !taken.has(id)));
  expect(taken.size).toBe(10_000);
  expect(() => freeProject('/pool/volumes/v', () => false)).toThrow('no project number is free');
});

test('a limit as quotactl(2) takes it, in KiB', () => {
  const block = encodeLimit(10 * 1024 ** 3 + 1);
  expect(decodeUsage(block)).toEqual({ limitBytes: 10 * 1024 ** 3 + 1024, usedBytes: 0, usedInodes: 0 });
  expect(block).toHaveLength(72);
  expect(block[64]).toBe(1);
});
