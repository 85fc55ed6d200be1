import { expect, test } from 'vitest';
import { FakeClock } from '../../../shared/daemon/fake-clock.ts';
import { RemoveOthers } from './remove-others.ts';

test("another mode's rules that could not be removed are tried again until they are gone, ever less often", async () => {
  const clock = new FakeClock();
  let failures = 2;
  let tries = 0;
  const others = new RemoveOthers(clock, async () => {
    tries += 1;
    return Math.max(0, failures--);
  });
  await others.run();
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
  await others.run();
  others[Symbol.dispose]();
  await clock.advance(3_600_000);
  expect(tries).toBe(4);
});
