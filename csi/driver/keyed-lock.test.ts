import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RpcError } from '../../shared/grpc/error.ts';
import { KeyedLock } from './keyed-lock.ts';

const never = new AbortController().signal;

/** Ends when it is told to. */
class Gate {
  readonly #resolvers = Promise.withResolvers<void>();
  began = false;

  readonly work = async (): Promise<void> => {
    this.began = true;
    await this.#resolvers.promise;
  };

  open(): void {
    this.#resolvers.resolve();
  }
}

/** Whatever is due happens. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
}

const codeOf = (error: unknown): unknown => (error instanceof RpcError ? error.code : error);

describe('turns', () => {
  test('two calls about one volume come one after the other, and those about others go on', async () => {
    const lock = new KeyedLock();
    const [first, second, other] = [new Gate(), new Gate(), new Gate()];
    const calls = [
      lock.run(['volume a'], never, first.work),
      lock.run(['volume a'], never, second.work),
      lock.run(['volume b'], never, other.work),
    ];
    await settle();
    expect([first.began, second.began, other.began]).toEqual([true, false, true]);
    first.open();
    await settle();
    expect(second.began).toBe(true);
    second.open();
    other.open();
    await Promise.all(calls);
    expect(lock.size).toBe(0);
  });

  test('who gave up while it waited does not begin, and those behind it still wait for the one before', async () => {
    const lock = new KeyedLock();
    const abort = new AbortController();
    const [first, impatient, last] = [new Gate(), new Gate(), new Gate()];
    const running = lock.run(['a'], never, first.work);
    const givenUp = lock.run(['a'], abort.signal, impatient.work).catch(codeOf);
    const behind = lock.run(['a'], never, last.work);
    abort.abort();
    expect(await givenUp).toBe('ABORTED');
    await settle();
    expect([impatient.began, last.began]).toEqual([false, false]);
    first.open();
    await settle();
    expect([impatient.began, last.began]).toEqual([false, true]);
    last.open();
    await Promise.all([running, behind]);
    expect(lock.size).toBe(0);
  });

  test('who had given up before it came does not begin either, though nobody is in its way', async () => {
    const lock = new KeyedLock();
    const gate = new Gate();
    const late = await lock.run(['a'], AbortSignal.abort(), gate.work).catch(codeOf);
    expect([late, gate.began, lock.size]).toEqual(['ABORTED', false, 0]);
  });

  test('a key named twice is no key to wait for oneself', async () => {
    const lock = new KeyedLock();
    expect(await lock.run(['a', 'a'], never, async () => 'done')).toBe('done');
  });

  test('work that fails gives its turn on, and its error to who asked', async () => {
    const lock = new KeyedLock();
    const failing = lock.run(['a'], never, () => Promise.reject(new Error('of the work')));
    const next = lock.run(['a'], never, async () => 'next');
    await expect(failing).rejects.toThrow('of the work');
    expect(await next).toBe('next');
  });

  test('property: never two with a common key at once, none waits for ever, nothing is kept', async () => {
    const call = fc.record({
      keys: fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 4 }),
      steps: fc.integer({ min: 0, max: 5 }),
      fails: fc.boolean(),
      givesUpAfter: fc.option(fc.integer({ min: 0, max: 8 }), { nil: undefined }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(call, { maxLength: 12 }), async (calls) => {
        const lock = new KeyedLock();
        const held = new Map<string, number>();
        let both = false;
        const all = calls.map(({ keys, steps, fails, givesUpAfter }, index) => {
          const abort = new AbortController();
          if (givesUpAfter !== undefined) void turns(givesUpAfter).then(() => abort.abort());
          return lock.run(keys, abort.signal, async () => {
            if (keys.some((key) => held.has(key))) both = true;
            for (const key of keys) held.set(key, index);
            await turns(steps);
            if (keys.some((key) => held.get(key) !== index)) both = true;
            for (const key of keys) held.delete(key);
            if (fails) throw new Error('of the work');
          });
        });
        await Promise.allSettled(all);
        // Those that gave up leave once it would have been their turn.
        await settle();
        expect(both).toBe(false);
        expect(lock.size).toBe(0);
      }),
      { numRuns: 200 },
    );
  });
});

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await Promise.resolve();
}
