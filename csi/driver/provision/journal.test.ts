import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { TemporaryDirectory } from '../../../conformance/testing/netns.ts';
import { type Begun, DiskJournal } from './journal.ts';

let directory: TemporaryDirectory;

const begun: Begun = {
  claim: { metadata: { name: 'data', namespace: 'default', uid: 'u-1' }, spec: { storageClassName: 'c' } },
  storageClass: { metadata: { name: 'c' }, provisioner: 'd' },
  request: {
    name: 'pvc-u-1',
    capacityRange: { requiredBytes: 2n ** 60n },
    volumeCapabilities: [{ mount: { fsType: 'xfs', mountFlags: ['noatime'] }, accessMode: { mode: 7 } }],
    parameters: { pool: 'a' },
  },
};

const open = (told: string[] = []): DiskJournal => new DiskJournal(directory.path, (file) => told.push(file));

beforeEach(() => {
  directory = new TemporaryDirectory();
});
afterEach(() => {
  directory[Symbol.dispose]();
});

test('what was begun is there for the next process, until it is removed', () => {
  open().put(begun);
  const next = open();
  expect([...next.all.values()]).toEqual([begun]);
  next.remove('u-1');
  expect(open().all.size).toBe(0);
  expect(readdirSync(directory.path)).toEqual([]);
});

test('only root reads it', () => {
  open().put(begun);
  expect(statSync(`${directory.path}/u-1.json`).mode & 0o777).toBe(0o600);
});

test('the same again writes nothing, another does', () => {
  const journal = open();
  journal.put(begun);
  const inode = (): number => statSync(`${directory.path}/u-1.json`).ino;
  const before = inode();
  journal.put({ ...begun });
  expect(inode()).toBe(before);
  journal.put({ ...begun, isNothing: true });
  expect(open().all.get('u-1')?.isNothing).toBe(true);
});

test.each(['', '{', '[]', '{"claim":{}}', '{"claim":{"metadata":{"uid":"u"}},"request":{"name":"x"}}'])(
  'a damaged note is told of and stays: %s',
  (text) => {
    writeFileSync(`${directory.path}/u-2.json`, text);
    open().put(begun);
    const told: string[] = [];
    expect(open(told).all.size).toBe(1);
    expect(told).toEqual([`${directory.path}/u-2.json`]);
  },
);

test('no uid leads out of the directory', () => {
  const uid = '../x';
  const claim = { ...begun.claim, metadata: { ...begun.claim.metadata, uid } };
  expect(() => open().put({ ...begun, claim })).toThrow('is no uid');
});
