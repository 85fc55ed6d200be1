import { expect, test } from 'vitest';
import { Pace } from './pace.ts';

test('a look that takes long is not made again before fifty times as long', () => {
  let now = 0;
  const pace = new Pace(() => now);
  const look = (ms: number): string =>
    pace.look(() => {
      now += ms;
      return 'seen';
    });
  expect(pace.due).toBe(true);
  expect(look(20)).toBe('seen');
  now += 999;
  expect(pace.due).toBe(false);
  now += 1;
  expect(pace.due).toBe(true);
  // As soon as it is quick again, it is due at once.
  look(0);
  expect(pace.due).toBe(true);
  expect(() =>
    pace.look(() => {
      now += 1;
      throw new Error('gone');
    }),
  ).toThrow('gone');
  expect(pace.due).toBe(false);
});
