import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseNetConf } from '../../config/net-conf.ts';
import { isStoreDamaged, isStoreRefused, isTooOld } from '../errors.ts';
import { ManualClock } from '../manual-clock.ts';
import { LEASE_DURATION_MS } from '../registry.ts';
import { LeaseWatcher, sampleNode, show } from '../registry-samples.ts';
import { backupStore, inspectBackup } from './backup.ts';
import { removeNode } from './node-records.ts';
import { EmbeddedRegistry } from './registry.ts';
import { type RestoreResult, restoreStore, StagedBackup } from './restore.ts';
import { EmbeddedStore } from './store.ts';
import { StoreDirectory, sampleKey, sampleObject } from './test-store.ts';

function caught(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

function restore(store: EmbeddedStore, source: string): RestoreResult {
  using staged = new StagedBackup(source, store.info.file);
  return restoreStore(store, staged);
}

describe('backup', () => {
  test('is a whole store of its own, private, and leaves nothing else behind', () => {
    using directory = new StoreDirectory();
    const store = directory.open();
    for (const name of ['a', 'b', 'c']) store.put(sampleObject(name, 'x'.repeat(5000)));
    const target = join(directory.path, 'backup.db');
    expect(backupStore(store, target)).toEqual({ objects: 3, bytes: statSync(target).size });
    expect(statSync(target).mode & 0o777).toBe(0o600);
    expect(readdirSync(directory.path).filter((name) => name.startsWith('backup'))).toEqual(['backup.db']);
    using opened = EmbeddedStore.open(target);
    expect(opened.list('Service').items).toEqual(store.list('Service').items);
  });

  test('holds what was there at that moment, writers or not', () => {
    using directory = new StoreDirectory();
    const store = directory.open();
    const writer = directory.open();
    store.put(sampleObject('a'));
    const target = join(directory.path, 'backup.db');
    writer.transact((transaction) => {
      transaction.put(sampleObject('b'));
      // Not committed yet: a copy that waits for writers would wait for ever.
      expect(backupStore(store, target).objects).toBe(1);
    });
    expect(backupStore(store, target).objects).toBe(2);
  });

  test('replaces an older backup and nothing else', () => {
    using directory = new StoreDirectory();
    const store = directory.open();
    const target = join(directory.path, 'backup.db');
    backupStore(store, target);
    store.put(sampleObject('a'));
    expect(backupStore(store, target).objects).toBe(1);
    const precious = join(directory.path, 'precious.txt');
    writeFileSync(precious, 'x'.repeat(200));
    for (const path of [
      precious,
      directory.file,
      directory.path,
      join(directory.path, 'no', 'such', 'place'),
    ]) {
      expect(isStoreRefused(caught(() => backupStore(store, path)))).toBe(true);
    }
    expect(readFileSync(precious, 'utf8')).toBe('x'.repeat(200));
    const other = join(directory.path, 'other.db');
    using _inUse = EmbeddedStore.open(other);
    expect(String(caught(() => backupStore(store, other)))).toContain('a store in use');
  });

  test('that cannot be written leaves the older one', () => {
    using directory = new StoreDirectory();
    const store = directory.open();
    const folder = join(directory.path, 'full');
    mkdirSync(folder);
    const target = join(folder, 'backup.db');
    backupStore(store, target);
    const before = readFileSync(target);
    // Root may write anywhere, so the temporary name is made impossible instead.
    mkdirSync(`${target}.${process.pid}.tmp`);
    writeFileSync(`${target}.${process.pid}.tmp/x`, '');
    expect(() => backupStore(store, target)).toThrow();
    expect(readFileSync(target).equals(before)).toBe(true);
    chmodSync(folder, 0o700);
  });
});

test('what killed processes left behind is removed, of the living nothing', () => {
  using directory = new StoreDirectory();
  const store = directory.open();
  store.put(sampleObject('a'));
  const target = join(directory.path, 'backup.db');
  // Larger than any process number (/proc/sys/kernel/pid_max is 2^22 at most).
  const dead = 2 ** 22 + 1;
  const kept = [
    `backup.db.${process.ppid}.tmp`,
    'backup.db.1.txt',
    `backup.db.${dead}.tmpfile`,
    'backup.db.x.tmp',
  ];
  const gone = [`backup.db.${dead}.tmp`, `backup.db.${dead}.tmp-journal`, `store.db.${dead}.restore`];
  for (const name of [...kept, ...gone]) writeFileSync(join(directory.path, name), '');
  backupStore(store, target);
  restore(store, target);
  const left = readdirSync(directory.path).filter((name) => /\.(\d+|x)\./.test(name));
  expect(left.sort()).toEqual(kept.sort());
});

describe('restore', () => {
  test('brings back what was there, and a running watch starts over', async () => {
    using directory = new StoreDirectory();
    const store = directory.open();
    const other = directory.open();
    store.put(sampleObject('a', 'old'));
    store.put(sampleObject('gone'));
    const { items } = store.list('Service');
    const target = join(directory.path, 'backup.db');
    backupStore(store, target);
    store.put(sampleObject('a', 'new'));
    store.delete(sampleKey('gone'));
    store.put(sampleObject('later'));
    const watch = other.watchObjects(
      ['Service'],
      other.list('Service').version,
      new AbortController().signal,
    );
    const next = watch.next().catch((error: unknown) => error);
    expect(restore(store, target)).toEqual({ objects: 2, kept: [], dropped: [] });
    expect(isTooOld(await next)).toBe(true);
    const restored = other.list('Service').items;
    expect(restored.map((item) => [item.metadata.name, item.metadata.uid, item['spec']])).toEqual(
      items.map((item) => [item.metadata.name, item.metadata.uid, item['spec']]),
    );
    expect(store.info.rebuilt?.reason).toBe(`restored from ${target}`);
    expect(readdirSync(directory.path).filter((name) => name.includes('restore'))).toEqual([]);
  });

  test('an object that was read before it cannot be written back after it', () => {
    using directory = new StoreDirectory();
    const store = directory.open();
    const before = store.put(sampleObject('a', 'old'));
    const target = join(directory.path, 'backup.db');
    backupStore(store, target);
    restore(store, target);
    expect(String(caught(() => store.put({ ...before, spec: { value: 'mine' } })))).toContain(
      'resourceVersion',
    );
  });

  test.each<[string, (path: string) => void]>([
    ['a truncated file', (path) => writeFileSync(path, readFileSync(path).subarray(0, 5000))],
    [
      'a changed letter',
      (path) => {
        const text = readFileSync(path).toString('latin1').replaceAll('xxxxxyxxxxx', 'xxxxxzxxxxx');
        writeFileSync(path, text, 'latin1');
      },
    ],
    ['text', (path) => writeFileSync(path, 'not a backup')],
    ['nothing', (path) => writeFileSync(path, '')],
  ])('of %s changes nothing', (_what, damage) => {
    using directory = new StoreDirectory();
    const store = directory.open();
    store.put(sampleObject('a', `${'x'.repeat(4000)}y${'x'.repeat(4000)}`));
    const target = join(directory.path, 'backup.db');
    backupStore(store, target);
    damage(target);
    store.put(sampleObject('b'));
    const { version } = store.info;
    const error = caught(() => restore(store, target));
    expect(isStoreDamaged(error) || isStoreRefused(error)).toBe(true);
    expect(store.info.version).toBe(version);
    expect(store.list('Service').items).toHaveLength(2);
    expect(readdirSync(directory.path).filter((name) => name.includes('restore'))).toEqual([]);
  });

  test('of itself, of nothing, of a store in use is refused', () => {
    using directory = new StoreDirectory();
    const store = directory.open();
    const other = join(directory.path, 'other.db');
    using _inUse = EmbeddedStore.open(other);
    for (const path of [directory.file, join(directory.path, 'none'), other]) {
      expect(isStoreRefused(caught(() => restore(store, path)))).toBe(true);
    }
    expect(existsSync(`${other}-wal`)).toBe(true);
  });

  test('takes a plain copy of a store that was not in use', () => {
    using directory = new StoreDirectory();
    const store = directory.open();
    store.put(sampleObject('a'));
    store[Symbol.dispose]();
    const copy = join(directory.path, 'copy.db');
    copyFileSync(directory.file, copy);
    const again = directory.open();
    again.delete(sampleKey('a'));
    expect(restore(again, copy).objects).toBe(1);
    expect(readdirSync(directory.path).filter((name) => /copy|restore/.test(name))).toEqual(['copy.db']);
  });

  test('makes a store that was lost anew', () => {
    using directory = new StoreDirectory();
    const store = directory.open();
    store.put(sampleObject('a'));
    const target = join(directory.path, 'backup.db');
    backupStore(store, target);
    store[Symbol.dispose]();
    writeFileSync(directory.file, 'damaged');
    const again = directory.open();
    expect(restore(again, target).objects).toBe(1);
    expect(again.get(sampleKey('a'))).toBeDefined();
    expect(inspectBackup(target).objects).toBe(1);
  });
});

describe('restore and node leases', () => {
  const networks = parseNetConf('{"Network":"10.244.0.0/16"}');

  test('living nodes keep their subnets, the dead stay dead, and watchers list again', async () => {
    using directory = new StoreDirectory();
    const clock = new ManualClock();
    const store = directory.open({ environment: { clock } });
    const registry = new EmbeddedRegistry(store, { networks, random: () => 0 });
    for (const [index, name] of ['stays', 'replaced', 'removed', 'silent'].entries()) {
      await registry.acquire(sampleNode(name, index + 1));
    }
    store.put({
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: 'reserved' },
      spec: { podCIDR: '10.244.99.0/24' },
    });
    const target = join(directory.path, 'backup.db');
    backupStore(store, target);

    clock.advance(LEASE_DURATION_MS / 2);
    store.transact((transaction) => {
      for (const name of ['replaced', 'removed', 'reserved']) removeNode(transaction, name);
    });
    // Takes the subnet that `replaced` has in the backup.
    await registry.acquire(sampleNode('new', 5));
    await registry.renew(sampleNode('stays', 9));
    const before = await registry.list();
    await using watcher = new LeaseWatcher(registry, before.version);
    const next = watcher.next().catch((error: unknown) => error);

    const result = restore(store, target);
    expect(result).toEqual({ objects: 9, kept: ['new', 'silent', 'stays'], dropped: ['replaced'] });
    expect(isTooOld(await next)).toBe(true);
    const { leases, epoch, rebuiltAt } = await registry.list();
    expect(epoch).not.toBe(before.epoch);
    expect(leases.map(show)).toEqual([
      'new 10.244.2.0/24',
      'removed 10.244.3.0/24',
      'silent 10.244.4.0/24',
      'stays 10.244.1.0/24',
    ]);
    expect(leases.at(-1)?.expiresAt).toBe(clock.now().wallMs + LEASE_DURATION_MS);
    expect(rebuiltAt).toBe(clock.now().wallMs);
    expect(store.list('Node').items.map((node) => node.metadata.name)).toContain('reserved');
  });

  test('a backup of last week brings back no lease at all', async () => {
    using directory = new StoreDirectory();
    const clock = new ManualClock();
    const store = directory.open({ environment: { clock } });
    const registry = new EmbeddedRegistry(store, { networks });
    await registry.acquire(sampleNode('a', 1));
    const target = join(directory.path, 'backup.db');
    backupStore(store, target);
    clock.advance(7 * LEASE_DURATION_MS);
    expect(restore(store, target)).toEqual({ objects: 0, kept: [], dropped: ['a'] });
    expect((await registry.list()).leases).toEqual([]);
  });
});
