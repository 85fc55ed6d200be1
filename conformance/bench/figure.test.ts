import { expect, test } from 'vitest';
import { median, quantile, ratios, table, withinBudget } from './figure.ts';

test('quantiles are samples', () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(quantile([1, 2, 3, 4], 0.99)).toBe(4);
  expect(() => median([])).toThrow(RangeError);
});

test('a figure over its budget says so', () => {
  const figure = { name: 'ADD', ours: 9, peer: 18, budget: 8, rounds: 5 };
  expect(withinBudget(figure)).toBe(false);
  expect(withinBudget({ ...figure, ours: 8 })).toBe(true);
  expect(table([figure])).toContain('| 9.00 ms | 18.0 ms | 0.50      | ≤ 8 ms | NO ');
  expect(table([{ name: 'x', ours: 1, rounds: 1 }])).toContain('–');
  expect(table([{ ...figure, note: 'both on one core.' }])).toMatch(/ \|\n\nADD: both on one core\.$/);
});

test('ratios alone have no amounts', () => {
  const figures = [
    { name: 'start', ours: 9, peer: 18, rounds: 5 },
    { name: 'x', ours: 1, rounds: 1 },
  ];
  expect(ratios(figures)).toMatch(/\| start +\| 0\.50 +\| 5 +\|\n\| x +\| – /);
  expect(ratios(figures)).not.toContain('ms');
});
