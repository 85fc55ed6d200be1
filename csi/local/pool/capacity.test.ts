import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Claim, roomFor } from './capacity.ts';

const none = { total: 100, available: 100, reserve: 0 };

describe('room', () => {
  test('what nobody was promised', () => {
    expect(roomFor(none, [])).toBe(100);
    expect(roomFor({ ...none, reserve: 5 }, [])).toBe(95);
    // Taken already, half taken, and not at all: the promise is the same.
    expect(roomFor({ ...none, available: 60 }, [{ size: 40, taken: 40 }])).toBe(60);
    expect(roomFor({ ...none, available: 80 }, [{ size: 40, taken: 20 }])).toBe(60);
    expect(roomFor(none, [{ size: 40, taken: 0 }])).toBe(60);
  });

  test('others on the same file system count as well', () => {
    expect(roomFor({ ...none, available: 50 }, [{ size: 40, taken: 0 }])).toBe(10);
    expect(roomFor({ ...none, available: 10 }, [{ size: 40, taken: 40 }])).toBe(10);
  });

  test('never less than nothing', () => {
    expect(roomFor({ ...none, available: 3, reserve: 5 }, [])).toBe(0);
    expect(roomFor(none, [{ size: 400, taken: 0 }])).toBe(0);
  });

  test('property: whatever is made, filled and deleted, every promise can be kept', () => {
    // What happens: a volume of a size is asked for, some of a volume is written, one goes, others write or free.
    const step = fc.oneof(
      fc.record({
        type: fc.constant('create' as const),
        size: fc.integer({ min: 1, max: 60 }),
        thin: fc.boolean(),
      }),
      fc.record({
        type: fc.constant('write' as const),
        which: fc.nat(),
        bytes: fc.integer({ min: 1, max: 30 }),
      }),
      fc.record({ type: fc.constant('delete' as const), which: fc.nat() }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 0, max: 30 }), (steps, others) => {
        const claims: { size: number; taken: number }[] = [];
        const total = 100;
        const taken = (): number => claims.reduce((sum, each) => sum + each.taken, others);
        const space = (): { total: number; available: number; reserve: number } => ({
          total,
          available: total - taken(),
          reserve: 2,
        });
        for (const each of steps) {
          if (each.type === 'create') {
            if (each.size > roomFor(space(), claims)) continue;
            claims.push({ size: each.size, taken: each.thin ? 0 : each.size });
          } else if (each.type === 'write') {
            const claim = claims[each.which % Math.max(1, claims.length)];
            if (claim) claim.taken = Math.min(claim.size, claim.taken + each.bytes);
          } else claims.splice(each.which % Math.max(1, claims.length), 1);
          // Everybody may fill what they were promised.
          const open = claims.reduce((sum, claim) => sum + claim.size - claim.taken, 0);
          expect(taken() + open).toBeLessThanOrEqual(total);
        }
      }),
    );
  });

  test('property: a claim never makes more room', () => {
    const claim: fc.Arbitrary<Claim> = fc
      .tuple(fc.nat(50), fc.nat(50))
      .map(([a, b]) => ({ size: Math.max(a, b), taken: Math.min(a, b) }));
    fc.assert(
      fc.property(fc.array(claim), claim, fc.nat(100), (claims, one, available) => {
        const space = { total: 100, available, reserve: 1 };
        expect(roomFor(space, [...claims, one])).toBeLessThanOrEqual(roomFor(space, claims));
      }),
    );
  });
});
