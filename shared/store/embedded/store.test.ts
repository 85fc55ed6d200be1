import { readdirSync, statSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isConflict, isInvalidObject, isStoreMissing } from '../errors.ts';
import type { KubeObject } from '../kube-object.ts';
import { ManualClock } from '../manual-clock.ts';
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

describe('objects', () => {
  test('come back as they went in, with what the store adds', () => {
    using directory = new StoreDirectory();
    const clock = new ManualClock(Date.UTC(2026, 0, 31, 12));
    const store = directory.open({ environment: { clock } });
    const stored = store.put(sampleObject('a', { text: 'ö\0"\n', list: [1, null] }));
    expect(stored.metadata).toEqual({
      name: 'a',
      namespace: 'default',
      uid: expect.stringMatching(/^[0-9a-f-]{36}$/),
      resourceVersion: '1',
      creationTimestamp: '2026-01-31T12:00:00Z',
    });
    expect(stored['spec']).toEqual({ value: { text: 'ö\0"\n', list: [1, null] } });
    expect(store.get(sampleKey('a'))).toEqual(stored);
    expect(store.get(sampleKey('b'))).toBeUndefined();
    expect(store.get(sampleKey('a', 'other'))).toBeUndefined();
  });

  test('keep uid and creation time through updates; a version counts all changes of all objects', () => {
    using directory = new StoreDirectory();
    const clock = new ManualClock();
    const store = directory.open({ environment: { clock } });
    const first = store.put(sampleObject('a'));
    store.put(sampleObject('b'));
    clock.advance(5000);
    const second = store.put({
      ...sampleObject('a', 2),
      metadata: { name: 'a', namespace: 'default', uid: 'forged' },
    });
    expect(second.metadata).toEqual({ ...first.metadata, resourceVersion: '3' });
  });

  test('what does not change is not written', () => {
    using directory = new StoreDirectory();
    const store = directory.open();
    store.put({ ...sampleObject('a'), extra: { x: 1, y: 2 } });
    const before = statSync(`${directory.file}-wal`).size;
    const again = store.put({ ...sampleObject('a'), extra: { y: 2, x: 1 } });
    expect(again.metadata.resourceVersion).toBe('1');
    expect(statSync(`${directory.file}-wal`).size).toBe(before);
  });

  test('are listed by namespace and name, of one namespace or all', () => {
    using directory = new StoreDirectory();
    const store = directory.open();
    for (const [name, namespace] of [
      ['b', 'x'],
      ['a', 'y'],
      ['a', 'x'],
    ] as const) {
      store.put(sampleObject(name, 1, namespace));
    }
    const names = (items: readonly KubeObject[]): string[] =>
      items.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
    expect(names(store.list('Service').items)).toEqual(['x/a', 'x/b', 'y/a']);
    expect(names(store.list('Service', 'x').items)).toEqual(['x/a', 'x/b']);
    expect(store.list('Pod').items).toEqual([]);
  });

  test.each<[string, unknown]>([
    ['no mapping', []],
    ['an unknown kind', { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'a', namespace: 'x' } }],
    ['another apiVersion', { apiVersion: 'v2', kind: 'Service', metadata: { name: 'a', namespace: 'x' } }],
    ['no name', { apiVersion: 'v1', kind: 'Service', metadata: { namespace: 'x' } }],
    ['a bad name', { apiVersion: 'v1', kind: 'Service', metadata: { name: 'A/b', namespace: 'x' } }],
    ['no namespace', { apiVersion: 'v1', kind: 'Service', metadata: { name: 'a' } }],
    ['a namespace too many', { apiVersion: 'v1', kind: 'Node', metadata: { name: 'a', namespace: 'x' } }],
    ['a number as label', { apiVersion: 'v1', kind: 'Node', metadata: { name: 'a', labels: { x: 1 } } }],
    [
      'a podCIDR of nonsense',
      { apiVersion: 'v1', kind: 'Node', metadata: { name: 'a' }, spec: { podCIDR: '10' } },
    ],
    ['two megabytes', sampleObject('a', 'x'.repeat(2_000_000))],
  ])('%s is refused', (_what, object) => {
    using directory = new StoreDirectory();
    const store = directory.open();
    expect(isInvalidObject(caught(() => store.put(object as KubeObject)))).toBe(true);
    expect(store.info.version).toMatch(/^0-/);
  });
});

describe('compare-and-swap', () => {
  test('an update from an old version fails and changes nothing', () => {
    using directory = new StoreDirectory();
    const store = directory.open();
    const first = store.put(sampleObject('a'));
    store.put({ ...first, spec: { value: 2 } });
    expect(isConflict(caught(() => store.put({ ...first, spec: { value: 3 } })))).toBe(true);
    expect(isConflict(caught(() => store.put(sampleObject('a', 3), { version: '1' })))).toBe(true);
    expect(isConflict(caught(() => store.delete(sampleKey('a'), { version: '1' })))).toBe(true);
    expect(store.get(sampleKey('a'))?.['spec']).toEqual({ value: 2 });
    expect(store.delete(sampleKey('a'), { version: '2' })).toBeDefined();
  });

  test('absent means absent', () => {
    using directory = new StoreDirectory();
    const store = directory.open();
    store.put(sampleObject('a'), { version: 'absent' });
    expect(isConflict(caught(() => store.put(sampleObject('a', 2), { version: 'absent' })))).toBe(true);
    expect(isConflict(caught(() => store.put(sampleObject('b'), { version: '7' })))).toBe(true);
    expect(isConflict(caught(() => store.delete(sampleKey('b'), { version: '7' })))).toBe(true);
    expect(store.delete(sampleKey('b'))).toBeUndefined();
  });

  test('a transaction that throws leaves no trace', () => {
    using directory = new StoreDirectory();
    const store = directory.open();
    store.put(sampleObject('a'));
    expect(() =>
      store.transact((transaction) => {
        transaction.put(sampleObject('a', 2));
        transaction.delete(sampleKey('a'));
        transaction.put(sampleObject('b'));
        throw new Error('stop');
      }),
    ).toThrow('stop');
    expect(store.get(sampleKey('a'))?.metadata.resourceVersion).toBe('1');
    expect(store.get(sampleKey('b'))).toBeUndefined();
    expect(store.put(sampleObject('c')).metadata.resourceVersion).toBe('2');
  });

  test('a transaction within a transaction is an error, not a deadlock', () => {
    using directory = new StoreDirectory();
    const store = directory.open();
    expect(() => store.transact(() => store.put(sampleObject('a')))).toThrow(/within a transaction/);
    expect(store.put(sampleObject('a')).metadata.resourceVersion).toBe('1');
  });
});

describe('the file', () => {
  test('is for its owner only, closes without leftovers and keeps everything', () => {
    using directory = new StoreDirectory();
    const first = directory.open();
    first.put(sampleObject('a'));
    for (const name of readdirSync(directory.path)) {
      expect(`${name} ${statSync(`${directory.path}/${name}`).mode & 0o777}`).toBe(`${name} ${0o600}`);
    }
    const version = first.info.version;
    first[Symbol.dispose]();
    expect(readdirSync(directory.path).sort()).toEqual(['store.db', 'store.db-host', 'store.db-lock']);
    const second = directory.open();
    expect(second.info.version).toBe(version);
    expect(second.info.rebuilt).toBeUndefined();
    expect(second.get(sampleKey('a'))).toBeDefined();
  });

  test('a store that is not there is made only if asked', () => {
    using directory = new StoreDirectory();
    expect(isStoreMissing(caught(() => directory.open({ create: false })))).toBe(true);
    expect(readdirSync(directory.path)).toEqual([]);
    expect(
      isStoreMissing(caught(() => EmbeddedStore.open(`${directory.path}/a/b/s.db`, { create: false }))),
    ).toBe(true);
    using deep = EmbeddedStore.open(`${directory.path}/a/b/s.db`);
    expect(deep.info.version).toMatch(/^0-/);
  });

  test('a closed store says so', () => {
    using directory = new StoreDirectory();
    const store = directory.open();
    store[Symbol.dispose]();
    store[Symbol.dispose]();
    expect(() => store.get(sampleKey('a'))).toThrow(/closed/);
    expect(() => store.put(sampleObject('a'))).toThrow(/closed/);
  });

  test('no descriptor stays open', () => {
    const count = (): number => readdirSync('/proc/self/fd').length;
    using directory = new StoreDirectory();
    const before = count();
    for (let round = 0; round < 5; round += 1) {
      using store = EmbeddedStore.open(directory.file);
      store.put(sampleObject('a', round));
      store.list('Service');
    }
    expect(count()).toBe(before);
  });
});

test('random operations through two handles equal a model', () => {
  const name = fc.constantFrom('a', 'b', 'c');
  const operation = fc.oneof(
    fc.record({ do: fc.constant('put' as const), name, value: fc.nat(3), through: fc.nat(1) }),
    fc.record({
      do: fc.constant('swap' as const),
      name,
      value: fc.nat(3),
      through: fc.nat(1),
      stale: fc.boolean(),
    }),
    fc.record({ do: fc.constant('delete' as const), name, value: fc.constant(0), through: fc.nat(1) }),
    fc.record({ do: fc.constant('reopen' as const), name, value: fc.constant(0), through: fc.nat(1) }),
  );
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 30 }), (operations) => {
      using directory = new StoreDirectory();
      const stores = [directory.open(), directory.open()];
      const model = new Map<string, { value: number; version: number }>();
      let version = 0;
      for (const step of operations) {
        const store = stores[step.through];
        if (store === undefined) throw new Error('two stores');
        const old = model.get(step.name);
        if (step.do === 'reopen') {
          store[Symbol.dispose]();
          stores[step.through] = directory.open();
        } else if (step.do === 'delete') {
          if (old) version += 1;
          model.delete(step.name);
          expect(store.delete(sampleKey(step.name)) !== undefined).toBe(old !== undefined);
        } else {
          const stale = step.do === 'swap' && step.stale;
          const expected = old === undefined ? 'absent' : String(old.version - (stale ? 1 : 0));
          const expect_ = step.do === 'swap' ? { version: expected } : {};
          let conflict = false;
          try {
            store.put(sampleObject(step.name, step.value), expect_);
          } catch (error) {
            conflict = isConflict(error);
            if (!conflict) throw error;
          }
          expect(conflict).toBe(stale && old !== undefined);
          if (conflict || old?.value === step.value) continue;
          version += 1;
          model.set(step.name, { value: step.value, version });
        }
      }
      for (const store of stores) {
        const { items, version: listed } = store.list('Service');
        expect(listed).toMatch(new RegExp(`^${version}-`));
        expect(
          items.map((item) => [item.metadata.name, item['spec'], item.metadata.resourceVersion]),
        ).toEqual(
          [...model]
            .sort(([a], [b]) => (a < b ? -1 : 1))
            .map(([key, entry]) => [key, { value: entry.value }, String(entry.version)]),
        );
      }
    }),
    { numRuns: 25 },
  );
});
