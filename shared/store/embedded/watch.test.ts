import { describe, expect, test } from 'vitest';
import { isTooOld } from '../errors.ts';
import { ManualClock } from '../manual-clock.ts';
import type { ObjectBatch } from '../object-source.ts';
import { SAFETY_CHECK_MS } from './change-signal.ts';
import type { EmbeddedStore } from './store.ts';
import { StoreDirectory, sampleKey, sampleObject } from './test-store.ts';
import { KEPT_TOMBSTONES } from './transaction.ts';

/** Pulls batches one by one and shows them as `type name`. */
class Watcher implements AsyncDisposable {
  readonly #abort = new AbortController();
  readonly #batches: AsyncGenerator<ObjectBatch, void, undefined>;
  version: string;

  constructor(store: EmbeddedStore, version: string, kinds: readonly string[] = ['Service']) {
    this.version = version;
    this.#batches = store.watchObjects(kinds, version, this.#abort.signal);
  }

  async next(): Promise<string[] | undefined> {
    const { value } = await this.#batches.next();
    if (value === undefined) return undefined;
    this.version = value.version;
    return value.events.map((event) => `${event.type} ${event.object.metadata.name}`);
  }

  abort(): void {
    this.#abort.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
    await this.#batches.return();
  }
}

describe('a watch', () => {
  test('tells what happened since a version, and goes on from where it stopped', async () => {
    using directory = new StoreDirectory();
    const store = directory.open();
    store.put(sampleObject('a'));
    store.put(sampleObject('b'));
    const { version } = store.list('Service');
    store.put(sampleObject('b', 2));
    store.put(sampleObject('c'));
    store.delete(sampleKey('a'));
    await using watcher = new Watcher(store, version);
    expect(await watcher.next()).toEqual(['modified b', 'added c', 'deleted a']);
    await using again = new Watcher(store, watcher.version);
    const next = again.next();
    store.put(sampleObject('d'));
    expect(await next).toEqual(['added d']);
  });

  test('tells several changes of one object as one, and nothing of what came and went', async () => {
    using directory = new StoreDirectory();
    const store = directory.open();
    store.put(sampleObject('old'));
    const { version } = store.list('Service');
    store.put(sampleObject('a'));
    store.put(sampleObject('a', 2));
    store.put(sampleObject('gone'));
    store.delete(sampleKey('gone'));
    store.delete(sampleKey('old'));
    store.put(sampleObject('old', 'new'));
    await using watcher = new Watcher(store, version);
    expect(await watcher.next()).toEqual(['added a', 'deleted old', 'added old']);
  });

  test('hears of other handles through the file system alone', async () => {
    using directory = new StoreDirectory();
    // The clock stands still, so no safety check can be what wakes it.
    const watching = directory.open({ environment: { clock: new ManualClock() } });
    const writing = directory.open();
    await using watcher = new Watcher(watching, watching.list('Service').version);
    for (let index = 0; index < 40; index += 1) {
      const name = `n${index}`;
      const next = watcher.next();
      writing.put(sampleObject(name));
      expect(await next).toEqual([`added ${name}`]);
    }
  });

  test('only of the kinds asked for', async () => {
    using directory = new StoreDirectory();
    const store = directory.open();
    const { version } = store.list('Service');
    store.put({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'n' } });
    store.put(sampleObject('a'));
    await using watcher = new Watcher(store, version);
    expect(await watcher.next()).toEqual(['added a']);
  });

  test('reads a long history in pages, and still knows what is new', async () => {
    using directory = new StoreDirectory();
    const store = directory.open();
    store.put(sampleObject('old'));
    const { version } = store.list('Service');
    store.transact((transaction) => {
      for (let index = 0; index < 1200; index += 1) transaction.put(sampleObject(`n${index}`));
      transaction.put(sampleObject('n0', 2));
      transaction.put(sampleObject('old', 2));
    });
    await using watcher = new Watcher(store, version);
    const told: string[] = [];
    while (told.length < 1201) told.push(...((await watcher.next()) ?? []));
    expect(told.filter((line) => line.startsWith('added'))).toHaveLength(1200);
    expect(told.slice(-2)).toEqual(['added n0', 'modified old']);
  });

  test('ends without an error when it is aborted', async () => {
    using directory = new StoreDirectory();
    const store = directory.open();
    await using watcher = new Watcher(store, store.list('Service').version);
    const next = watcher.next();
    watcher.abort();
    expect(await next).toBeUndefined();
  });

  test('ends with an error when the store is closed', async () => {
    using directory = new StoreDirectory();
    const store = directory.open();
    await using watcher = new Watcher(store, store.list('Service').version);
    const next = watcher.next();
    store[Symbol.dispose]();
    await expect(next).rejects.toThrow(/closed/);
  });
});

describe('a version that cannot be watched from', () => {
  async function outcome(store: EmbeddedStore, version: string): Promise<unknown> {
    await using watcher = new Watcher(store, version);
    return watcher.next().catch((error: unknown) => error);
  }

  test('nonsense, the future, another epoch', async () => {
    using directory = new StoreDirectory();
    const store = directory.open();
    store.put(sampleObject('a'));
    expect(isTooOld(await outcome(store, 'x'))).toBe(true);
    expect(isTooOld(await outcome(store, '99'))).toBe(true);
    expect(isTooOld(await outcome(store, '0-abcdef'))).toBe(true);
    expect(await outcome(store, '0')).toEqual(['added a']);
  });

  test('deletions that were forgotten; a newer version still works', async () => {
    using directory = new StoreDirectory();
    const store = directory.open();
    const { version } = store.list('Service');
    let later = '';
    store.transact((transaction) => {
      for (let index = 0; index <= KEPT_TOMBSTONES; index += 1) transaction.put(sampleObject(`n${index}`));
    });
    store.transact((transaction) => {
      for (let index = 0; index <= KEPT_TOMBSTONES; index += 1) {
        const stored = transaction.get(sampleKey(`n${index}`));
        if (stored && index === 0) later = stored.metadata.resourceVersion ?? '';
        transaction.delete(sampleKey(`n${index}`));
      }
    });
    expect(isTooOld(await outcome(store, version))).toBe(true);
    expect(isTooOld(await outcome(store, later))).toBe(true);
    store.put(sampleObject('last'));
    const { version: current } = store.list('Service');
    store.delete(sampleKey('last'));
    expect(await outcome(store, current)).toEqual(['deleted last']);
  });
});

describe('when events are lost', () => {
  test('the safety check finds the change', async () => {
    using directory = new StoreDirectory();
    const clock = new ManualClock();
    const deaf = { clock, watchDirectory: () => ({ [Symbol.dispose]: () => {} }) };
    const watching = directory.open({ environment: deaf });
    const writing = directory.open();
    await using watcher = new Watcher(watching, watching.list('Service').version);
    const next = watcher.next();
    writing.put(sampleObject('a'));
    clock.advance(SAFETY_CHECK_MS);
    expect(await next).toEqual(['added a']);
  });

  test('an exhausted inotify is reported once and looked past every second', async () => {
    using directory = new StoreDirectory();
    const clock = new ManualClock();
    const reports: string[] = [];
    const watchDirectory = (): Disposable => {
      throw new Error('ENOSPC: no space left on device, watch');
    };
    const watching = directory.open({
      environment: { clock, watchDirectory },
      report: (report) => reports.push(report.reason),
    });
    const writing = directory.open();
    await using watcher = new Watcher(watching, watching.list('Service').version);
    for (const name of ['a', 'b']) {
      const next = watcher.next();
      writing.put(sampleObject(name));
      clock.advance(1000);
      expect(await next).toEqual([`added ${name}`]);
    }
    expect(reports).toEqual(['ENOSPC: no space left on device, watch']);
  });

  test('timers and watches are given back when the last watch ends', async () => {
    using directory = new StoreDirectory();
    const clock = new ManualClock();
    const store = directory.open({ environment: { clock } });
    {
      await using watcher = new Watcher(store, store.list('Service').version);
      const next = watcher.next();
      expect(clock.timers).toBe(1);
      watcher.abort();
      await next;
    }
    expect(clock.timers).toBe(0);
  });
});
