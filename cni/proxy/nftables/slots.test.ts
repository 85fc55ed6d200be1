import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Endpoint } from '../model/endpoint.ts';
import { nextSlots } from './slots.ts';

const some = (...names: string[]): Endpoint[] => names as Endpoint[];

test('a hole is filled by the last one, and everybody else stays', () => {
  expect(nextSlots(some('a', 'b', 'c', 'd'), some('a', 'c', 'd'))).toEqual(['a', 'd', 'c']);
  expect(nextSlots(some('a', 'b', 'c'), some('b', 'c'))).toEqual(['c', 'b']);
  expect(nextSlots(some('a', 'b'), some('b', 'x'))).toEqual(['x', 'b']);
  expect(nextSlots(some('a'), some('a', 'b', 'c'))).toEqual(['a', 'b', 'c']);
});

test('an order of another kind changes nothing', () => {
  const before = some('a', 'b', 'c');
  expect(nextSlots(before, some('c', 'b', 'a'))).toBe(before);
  const wanted = some('a', 'b', 'c');
  expect(nextSlots(before, wanted)).toBe(wanted);
  expect(nextSlots(undefined, wanted)).toBe(wanted);
});

test('all have a slot and one only, and no more slots change than must', () => {
  const names = fc.uniqueArray(fc.integer({ min: 0, max: 12 }).map(String), { maxLength: 10 });
  fc.assert(
    fc.property(names, names, (before, wanted) => {
      const slots = nextSlots(some(...before), some(...wanted));
      expect([...slots].sort()).toEqual([...wanted].sort());
      for (const [slot, held] of before.entries()) {
        if (slot < wanted.length && wanted.includes(held)) expect(slots[slot]).toBe(held);
      }
    }),
  );
});
