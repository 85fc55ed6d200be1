import { expect, test } from 'vitest';
import { FakeClock } from '../../../shared/daemon/fake-clock.ts';
import { Removal } from './removal.ts';

test('what could not be removed are tried again until they are gone, ever less often', async () => {
  const clock = new FakeClock();
  let failures = 2;
  let tries = 0;
  const removal = new Removal(clock, async () => {
    tries += 1;
    return Math.max(0, failures--);
  });
  await removal.run();
  await clock.advance(4999);
  expect(tries).toBe(1);
  await clock.advance(1);
  expect(tries).toBe(2);
  await clock.advance(9999);
  expect(tries).toBe(2);
  await clock.advance(1);
  expect(tries).toBe(3);
  await clock.advance(3_600_000);
  expect(tries).toBe(3);
  failures = 1;
  await removal.run();
  await removal.finish();
  await clock.advance(3_600_000);
  expect(tries).toBe(4);
});
