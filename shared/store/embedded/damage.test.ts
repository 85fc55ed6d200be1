import { Database } from 'bun:sqlite';
import { readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isStoreDamaged, isStoreRefused, isTooOld } from '../errors.ts';
import { ManualClock } from '../manual-clock.ts';
import { EmbeddedStore } from './store.ts';
import { openReporting, overwrite } from './test-damage.ts';
import { StoreDirectory, sampleKey, sampleObject } from './test-store.ts';

/** A closed store with objects of 3 kB, so that most of its pages hold objects. */
function filled(directory: StoreDirectory, objects: number = 200): void {
  const store = directory.open();
  store.transact((transaction) => {
    for (let index = 0; index < objects; index += 1)
      transaction.put(sampleObject(`n${index}`, 'x'.repeat(3000)));
  });
  store[Symbol.dispose]();
}

const damages: [string, (file: string) => void][] = [
  ['a header of nonsense', (file) => overwrite(file, 0, 100)],
  ['text instead of a database', (file) => writeFileSync(file, 'hello\n')],
  ['a file cut in half', (file) => truncateSync(file, Math.floor(readFileSync(file).length / 8192) * 4096)],
  ['a file cut within a page', (file) => truncateSync(file, 4096 * 3 + 100)],
  ['one page left', (file) => truncateSync(file, 4096)],
  ['the schema overwritten', (file) => overwrite(file, 100, 3996)],
  ['a random page overwritten', (file) => overwrite(file, 4096 * 17, 4096)],
  [
    'zeros in the middle',
    (file) => {
      const bytes = readFileSync(file);
      bytes.fill(0, 4096 * 20, 4096 * 24);
      writeFileSync(file, bytes);
    },
  ],
  [
    'one letter of one object',
    (file) => {
      const bytes = readFileSync(file);
      // Splitting pages leaves old copies of rows behind: this one, wherever it is.
      for (let at = bytes.indexOf('"name":"n100"'); at >= 0; at = bytes.indexOf('"name":"n100"', at + 1)) {
        bytes[bytes.indexOf('xxxx', at) + 3] = 'y'.charCodeAt(0);
      }
      writeFileSync(file, bytes);
    },
  ],
  ['the application id', (file) => overwrite(file, 68, 4)],
  ['nothing at all', (file) => truncateSync(file, 0)],
];

describe('a damaged store is set aside and replaced', () => {
  test.each(damages)('%s', (_what, damage) => {
    using directory = new StoreDirectory();
    filled(directory);
    damage(directory.file);
    const bytes = readFileSync(directory.file);
    const { store, reports } = openReporting(directory.file);
    const aside = `${directory.file}.damaged-20260131T120000.000Z`;
    expect(reports).toEqual([
      { type: 'rebuilt', setAside: aside, partial: false, reason: expect.any(String) },
    ]);
    expect(readFileSync(aside).equals(bytes)).toBe(true);
    expect(store.list('Service').items.length).toBe(0);
    expect(store.info.rebuilt).toEqual({ atMs: Date.UTC(2026, 0, 31, 12), reason: reports[0]?.reason });
    store.put(sampleObject('a'));
    store[Symbol.dispose]();
    const again = openReporting(directory.file);
    expect(again.reports).toEqual([]);
    expect(again.store.get(sampleKey('a'))).toBeDefined();
    expect(again.store.info.rebuilt?.atMs).toBe(Date.UTC(2026, 0, 31, 12));
    again.store[Symbol.dispose]();
  });

  test.each(damages)('not by a command that only looks: %s', (_what, damage) => {
    using directory = new StoreDirectory();
    filled(directory);
    damage(directory.file);
    const before = readdirSync(directory.path).map((name) =>
      readFileSync(join(directory.path, name)).toString('latin1'),
    );
    let caught: unknown;
    try {
      directory.open({ onDamage: 'refuse', create: false });
    } catch (error) {
      caught = error;
    }
    expect(isStoreDamaged(caught)).toBe(true);
    expect(String(caught)).toContain('underpod restore');
    const after = readdirSync(directory.path).map((name) =>
      readFileSync(join(directory.path, name)).toString('latin1'),
    );
    expect(after).toEqual(before);
  });

  test('every single page, overwritten, is noticed or held nothing', () => {
    using directory = new StoreDirectory();
    filled(directory);
    const original = readFileSync(directory.file);
    const reader = directory.open();
    const { items } = reader.list('Service');
    reader[Symbol.dispose]();
    let noticed = 0;
    const pages = original.length / 4096;
    for (let page = 0; page < pages; page += 7) {
      writeFileSync(directory.file, original);
      overwrite(directory.file, page * 4096, 4096, page + 1);
      const { store, reports } = openReporting(directory.file);
      if (reports.length === 0) expect(Bun.deepEquals(store.list('Service').items, items)).toBe(true);
      else noticed += 1;
      store[Symbol.dispose]();
    }
    expect(noticed).toBeGreaterThan(pages / 7 / 2);
  });

  test('a file that is gone is reported too', () => {
    using directory = new StoreDirectory();
    filled(directory);
    rmSync(directory.file);
    const { store, reports } = openReporting(directory.file);
    expect(reports).toEqual([{ type: 'rebuilt', partial: false, reason: 'the file is gone' }]);
    store[Symbol.dispose]();
  });

  test('five damaged stores are kept, the oldest go', () => {
    using directory = new StoreDirectory();
    const clock = new ManualClock(Date.UTC(2026, 0, 1));
    for (let round = 0; round < 7; round += 1) {
      clock.advance(1000);
      writeFileSync(directory.file, `damaged ${round}`);
      directory.open({ environment: { clock } })[Symbol.dispose]();
    }
    const kept = readdirSync(directory.path).filter((name) => name.includes('damaged'));
    expect(kept.sort().map((name) => readFileSync(join(directory.path, name), 'utf8'))).toEqual(
      [2, 3, 4, 5, 6].map((round) => `damaged ${round}`),
    );
  });
});

describe('what is no damage is left alone', () => {
  test("another program's database", () => {
    using directory = new StoreDirectory();
    const other = new Database(directory.file);
    other.run('CREATE TABLE t (a)');
    other.close();
    const bytes = readFileSync(directory.file);
    expect(() => directory.open()).toThrow(/another program's SQLite database/);
    expect(readFileSync(directory.file).equals(bytes)).toBe(true);
  });

  test('a store of a newer release', () => {
    using directory = new StoreDirectory();
    filled(directory);
    const newer = new Database(directory.file);
    newer.run('PRAGMA user_version = 99');
    newer.close();
    let caught: unknown;
    try {
      directory.open();
    } catch (error) {
      caught = error;
    }
    expect(isStoreRefused(caught)).toBe(true);
    expect(String(caught)).toMatch(/newer release .*format 99/);
    expect(readdirSync(directory.path).filter((name) => name.includes('damaged'))).toEqual([]);
  });

  test('a directory', () => {
    using directory = new StoreDirectory();
    expect(() => EmbeddedStore.open(directory.path)).toThrow(/no regular file/);
  });
});

describe('while the store is in use', () => {
  /** By another process: one that closes a file it also has open through SQLite would lose its locks. */
  function overwriteFromOutside(file: string, fromPage: number, pages: number): void {
    const args = [
      'if=/dev/urandom',
      `of=${file}`,
      'bs=4096',
      `seek=${fromPage}`,
      `count=${pages}`,
      'conv=notrunc',
    ];
    const { exitCode } = Bun.spawnSync(['dd', ...args], { stderr: 'ignore' });
    expect(exitCode).toBe(0);
  }

  test('another handle sets it aside: reads, writes and watches go on with the new one', async () => {
    using directory = new StoreDirectory();
    const first = directory.open();
    first.put(sampleObject('a'));
    const watch = first.watchObjects(
      ['Service'],
      first.list('Service').version,
      new AbortController().signal,
    );
    const next = watch.next().catch((error: unknown) => error);
    // What the second one finds at start is not what the first has in its cache.
    overwriteFromOutside(directory.file, 0, 1);
    const second = openReporting(directory.file);
    expect(second.reports).toHaveLength(1);
    expect(isTooOld(await next)).toBe(true);
    expect(first.get(sampleKey('a'))).toBeUndefined();
    first.put(sampleObject('b'));
    expect(second.store.get(sampleKey('b'))).toBeDefined();
    expect(first.info.version).toBe(second.store.info.version);
    first[Symbol.dispose]();
    second.store.put(sampleObject('c'));
    second.store[Symbol.dispose]();
    const third = openReporting(directory.file);
    expect(third.reports).toEqual([]);
    expect(third.store.list('Service').items).toHaveLength(2);
    third.store[Symbol.dispose]();
  });

  test('damage that a read meets is repaired as at start', () => {
    using directory = new StoreDirectory();
    // More than a connection's cache of 2 MB holds.
    filled(directory, 1500);
    const { store, reports } = openReporting(directory.file);
    overwriteFromOutside(directory.file, 1, statSync(directory.file).size / 4096 - 1);
    expect(store.list('Service').items.length).toBe(0);
    expect(reports).toHaveLength(1);
    store.put(sampleObject('a'));
    expect(store.get(sampleKey('a'))).toBeDefined();
    store[Symbol.dispose]();
  });

  test('the whole directory is removed: the next write makes a new store', () => {
    using directory = new StoreDirectory();
    filled(directory);
    const { store, reports } = openReporting(directory.file);
    rmSync(directory.path, { recursive: true });
    store.put(sampleObject('a'));
    expect(store.list('Service').items).toHaveLength(1);
    expect(reports).toEqual([{ type: 'rebuilt', partial: false, reason: 'the file is gone' }]);
    store[Symbol.dispose]();
  });
});
