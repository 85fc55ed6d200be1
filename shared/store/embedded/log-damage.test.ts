import { Database } from 'bun:sqlite';
import { copyFileSync, existsSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openReporting, overwrite } from './test-damage.ts';
import { StoreDirectory, sampleKey, sampleObject } from './test-store.ts';

/** As after kill -9: the files as they are while the store is open, under a name of their own. */
function crashed(directory: StoreDirectory): string {
  const store = directory.open();
  store.put(sampleObject('first'));
  const copy = join(directory.path, 'crashed.db');
  store.put(sampleObject('second'));
  for (const suffix of ['', '-wal', '-host', '-lock']) copyFileSync(directory.file + suffix, copy + suffix);
  store[Symbol.dispose]();
  return copy;
}

describe('the write-ahead log', () => {
  test('of a crash is replayed', () => {
    using directory = new StoreDirectory();
    const { store, reports } = openReporting(crashed(directory));
    expect(reports).toEqual([]);
    expect(store.list('Service').items).toHaveLength(2);
    store[Symbol.dispose]();
  });

  test.each<[string, (wal: string) => void]>([
    ['garbage', (wal) => overwrite(wal, 0, 4096)],
    ['text', (wal) => writeFileSync(wal, 'x'.repeat(5000))],
    [
      'one flipped bit in its header',
      (wal) => {
        const bytes = readFileSync(wal);
        bytes[17] = (bytes[17] ?? 0) ^ 4;
        writeFileSync(wal, bytes);
      },
    ],
  ])('with %s is set aside; the objects of the last checkpoint stay', (_what, damage) => {
    using directory = new StoreDirectory();
    const file = crashed(directory);
    const checkpointed = new Database(file, { readwrite: true });
    checkpointed.run('PRAGMA wal_checkpoint(TRUNCATE)');
    checkpointed.close();
    const first = openReporting(file);
    first.store.put(sampleObject('third'));
    for (const suffix of ['', '-wal', '-host']) copyFileSync(file + suffix, `${file}2${suffix}`);
    first.store[Symbol.dispose]();
    damage(`${file}2-wal`);
    const { store, reports } = openReporting(`${file}2`);
    expect(reports).toMatchObject([{ type: 'rebuilt', partial: true, reason: /write-ahead log/ }]);
    expect(store.list('Service').items.map((item) => item.metadata.name)).toEqual(['first', 'second']);
    expect(store.info.rebuilt).toBeDefined();
    const aside = `${file}2.damaged-20260131T120000.000Z`;
    expect([existsSync(aside), existsSync(`${aside}-wal`)]).toEqual([true, true]);
    store.put(sampleObject('fourth'));
    store[Symbol.dispose]();
    const again = openReporting(`${file}2`);
    expect(again.reports).toEqual([]);
    expect(again.store.list('Service').items).toHaveLength(3);
    again.store[Symbol.dispose]();
  });

  test.each<[string, (wal: string) => void]>([
    ['cut in the last frame', (wal) => truncateSync(wal, readFileSync(wal).length - 100)],
    ['with a torn last frame', (wal) => overwrite(wal, readFileSync(wal).length - 2000, 2000)],
    ['of zeros', (wal) => writeFileSync(wal, Buffer.alloc(8192))],
    ['of nothing', (wal) => truncateSync(wal, 0)],
  ])('%s is what a power cut leaves: the store is sound', (_what, damage) => {
    using directory = new StoreDirectory();
    const file = crashed(directory);
    damage(`${file}-wal`);
    const { store, reports } = openReporting(file);
    expect(reports).toEqual([]);
    store.put(sampleObject('a'));
    expect(store.get(sampleKey('a'))).toBeDefined();
    store[Symbol.dispose]();
  });

  test('of another store, left beside a new one, is not replayed into it', () => {
    using directory = new StoreDirectory();
    const file = crashed(directory);
    for (const suffix of ['', '-host', '-lock']) rmSync(file + suffix);
    const { store, reports } = openReporting(file);
    expect(reports).toEqual([]);
    expect(store.list('Service').items.length).toBe(0);
    store[Symbol.dispose]();
  });
});
