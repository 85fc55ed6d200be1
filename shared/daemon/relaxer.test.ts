import { expect, test } from 'vitest';
import { silentLogger } from '../log/logger.ts';
import { FakeClock } from './fake-clock.ts';
import { Relaxer } from './relaxer.ts';
import { Timers } from './timers.ts';

test('memory is given back after much work, once it rests, and regularly', async () => {
  const clock = new FakeClock();
  using timers = new Timers(clock, silentLogger);
  let times = 0;
  const relaxer = new Relaxer(
    timers,
    () => {
      times += 1;
    },
    () => clock.monotonic(),
  );
  relaxer.worked(5);
  await clock.advance(60_000);
  expect(times).toBe(0);
  relaxer.worked(3000);
  await clock.advance(400);
  relaxer.worked(3000);
  await clock.advance(400);
  expect(times).toBe(0);
  await clock.advance(60_000);
  expect(times).toBe(3);
  relaxer.started();
  await clock.advance(600_000 + 60_000);
  expect(times).toBe(9);
});

test('it is not given back in the middle of steady little work, though not never', async () => {
  const clock = new FakeClock();
  using timers = new Timers(clock, silentLogger);
  let times = 0;
  const relaxer = new Relaxer(
    timers,
    () => {
      times += 1;
    },
    () => clock.monotonic(),
  );
  relaxer.worked(3000);
  const steady = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 100) {
      await clock.advance(100);
      relaxer.worked(3);
    }
  };
  await steady(20_000);
  expect(times).toBe(0);
  await clock.advance(1000);
  expect(times).toBe(1);
  relaxer.worked(3000);
  await steady(60_000);
  expect(times).toBeGreaterThan(1);
});

test('it is given back as well after many changes that were few each time', async () => {
  const clock = new FakeClock();
  using timers = new Timers(clock, silentLogger);
  let times = 0;
  const relaxer = new Relaxer(
    timers,
    () => {
      times += 1;
    },
    () => clock.monotonic(),
    1000,
  );
  for (let changes = 0; changes < 999; changes += 3) relaxer.worked(3);
  await clock.advance(60_000);
  expect(times).toBe(0);
  relaxer.worked(1);
  await clock.advance(60_000);
  expect(times).toBe(3);
});
