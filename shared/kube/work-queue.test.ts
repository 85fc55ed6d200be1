import { expect, test } from 'vitest';
import { Backoff } from './backoff.ts';
import { TestClock } from './testing/test-clock.ts';
import { WorkQueue } from './work-queue.ts';

/** A queue whose work waits for the test to finish it. */
function heldQueue(clock: TestClock, workers = 1) {
  const begun: string[] = [];
  const ends: ((error?: Error) => void)[] = [];
  const queue = new WorkQueue({
    clock,
    workers,
    firstMs: 100,
    mostMs: 400,
    random: () => 1,
    work: (key) =>
      new Promise((resolve, reject) => {
        begun.push(key);
        ends.push((error) => (error ? reject(error) : resolve()));
      }),
  });
  const finish = async (error?: Error): Promise<void> => {
    ends.shift()?.(error);
    for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  };
  return { queue, begun, finish };
}

test('a key that waits is worked on once, one that is worked on once more', async () => {
  const { queue, begun, finish } = heldQueue(new TestClock());
  for (const key of ['a', 'b', 'a', 'b', 'a']) queue.add(key);
  expect(begun).toEqual(['a']);
  await finish();
  expect(begun).toEqual(['a', 'b']);
  const idle = queue.idle();
  await finish();
  expect(begun).toEqual(['a', 'b', 'a']);
  await finish();
  await idle;
  expect(queue.size).toBe(0);
});

test('several workers never work on one key at the same time', async () => {
  const { queue, begun, finish } = heldQueue(new TestClock(), 2);
  for (const key of ['a', 'b', 'c', 'a']) queue.add(key);
  expect(begun).toEqual(['a', 'b']);
  await finish();
  expect(begun).toEqual(['a', 'b', 'c']);
});

test('what fails comes back later and later, and from the start once it worked', async () => {
  const clock = new TestClock();
  const { queue, begun, finish } = heldQueue(clock);
  queue.add('a');
  for (const wait of [100, 200, 400, 400]) {
    await finish(new Error('no'));
    expect(clock.timers).toEqual([wait]);
    clock.advance(wait);
  }
  await finish();
  queue.add('a');
  await finish(new Error('no'));
  expect(clock.timers).toEqual([100]);
  // News of a key does not wait for its next try.
  queue.add('a');
  expect(begun).toHaveLength(7);
  expect(clock.timers).toEqual([]);
});

test('nothing is begun after the end', async () => {
  const clock = new TestClock();
  const { queue, begun, finish } = heldQueue(clock);
  queue.add('a');
  queue.add('b');
  queue[Symbol.dispose]();
  await finish(new Error('no'));
  queue.add('c');
  clock.advance(10_000);
  expect(begun).toEqual(['a']);
});

test('waits are drawn between half and all of what doubles, never less than the server asked for', () => {
  const draws = [0, 1, 0.5, 0];
  const backoff = new Backoff({ firstMs: 100, mostMs: 1000, random: () => draws.shift() ?? 0 });
  expect([backoff.next(), backoff.next(), backoff.next(), backoff.next(5000)]).toEqual([50, 200, 300, 5000]);
  backoff.reset();
  expect(backoff.next()).toBe(50);
});
