import { describe, expect, test } from 'vitest';
import { type Act, formatAct, losesNothing } from './changeover.ts';

const act = (name: string, counts: Partial<Act> = {}): Act => ({
  connections: 20,
  lost: 0,
  echoes: 9000,
  missing: 0,
  opened: 200,
  failed: 0,
  longestGap: 25,
  ...counts,
  name,
});

describe('the verdict on a change-over', () => {
  const quiet = [
    act('flanneld restarts', { missing: 13 }),
    act('flanneld is killed', { missing: 2 }),
    act('underpod → flanneld', { missing: 20 }),
  ];

  test.each<[boolean, Act]>([
    [true, act('flanneld → underpod', { missing: 13 })],
    [false, act('flanneld → underpod', { missing: 14 })],
    [false, act('flanneld → underpod', { lost: 1 })],
    [false, act('underpod restarts', { failed: 1 })],
    [false, act('underpod → flanneld', { lost: 1 })],
    [true, act('underpod is killed', { missing: 2, whole: 1000 })],
    [false, act('underpod is killed', { missing: 3, whole: 1000 })],
    [false, act('underpod is killed', { whole: 60_000 })],
  ])('is %s for %j', (verdict, one) => {
    expect(losesNothing([...quiet, one])).toBe(verdict);
  });

  test('is printed with all figures', () => {
    expect(formatAct(act('underpod restarts', { lost: 1, failed: 2, missing: 3 }))).toBe(
      'underpod restarts    1 of 20 connections lost, 2 of 202 new ones failed, 3 datagrams lost, longest gap 25 ms',
    );
    expect(formatAct(act('underpod is killed', { whole: 345.6 }))).toMatch(
      /, whole 346 ms after the last of 13 starts$/,
    );
  });
});
