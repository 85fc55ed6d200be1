import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { FS_MAGIC } from '../../sys/constants.ts';
import { isStoreRefused } from '../errors.ts';
import { ManualClock } from '../manual-clock.ts';
import { SAFETY_CHECK_MS } from './change-signal.ts';
import type { StoreEnvironment } from './environment.ts';
import { HEARTBEAT_MS, type HostIdentity, readHostIdentity, readHostRecord } from './host-record.ts';
import type { EmbeddedStore } from './store.ts';
import { StoreDirectory, sampleKey, sampleObject } from './test-store.ts';

const here: HostIdentity = { machineId: 'machine-1', bootId: 'boot-1', hostname: 'one' };
const there: HostIdentity = { machineId: 'machine-2', bootId: 'boot-2', hostname: 'two' };

function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (isStoreRefused(error)) return error.message;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('file systems that several kernels can share', () => {
  test.each([
    ['NFS', FS_MAGIC.NFS],
    ['CIFS', FS_MAGIC.CIFS],
    ['SMB', FS_MAGIC.SMB2],
    ['9p', FS_MAGIC.V9FS],
    ['FUSE', FS_MAGIC.FUSE],
    ['CephFS', FS_MAGIC.CEPH],
    ['GFS2', FS_MAGIC.GFS2],
    ['Lustre', 0x0bd00bd0],
  ])('%s is refused, with the way out', (name, type) => {
    using directory = new StoreDirectory();
    const message = refusal(() => directory.open({ environment: { filesystemType: () => type } }));
    expect(message).toContain(`is on ${name}`);
    expect(message).toMatch(/--store.*Kubernetes.*etcd/);
    expect(readdirSync(directory.path)).toEqual([]);
  });

  test.each([FS_MAGIC.EXT4, FS_MAGIC.XFS, FS_MAGIC.BTRFS, FS_MAGIC.TMPFS, FS_MAGIC.OVERLAY])(
    '%i is local',
    (type) => {
      using directory = new StoreDirectory();
      directory.open({ environment: { filesystemType: () => type } });
    },
  );
});

describe('one kernel only', () => {
  const as = (host: HostIdentity, clock: ManualClock): { environment: Partial<StoreEnvironment> } => ({
    environment: { host, clock },
  });

  test('another machine is refused while the first one lives, and told how long', () => {
    using directory = new StoreDirectory();
    const clock = new ManualClock();
    directory.open(as(here, clock));
    clock.advance(60_000);
    const message = refusal(() => directory.open(as(there, clock)));
    expect(message).toMatch(/another machine uses this store \(one, machine-id machine-1\)/);
    expect(message).toContain('840 s');
    expect(message).toMatch(/store\.db-host.*Kubernetes.*etcd/);
  });

  test('a disk that was moved is taken over once its machine is silent', () => {
    using directory = new StoreDirectory();
    const clock = new ManualClock();
    directory.open(as(here, clock)).put(sampleObject('a'));
    clock.advance(3 * HEARTBEAT_MS);
    expect(directory.open(as(there, clock)).get(sampleKey('a'))).toBeDefined();
  });

  test('a reboot of the same machine takes over at once', () => {
    using directory = new StoreDirectory();
    const clock = new ManualClock();
    directory.open(as(here, clock));
    directory.open(as({ ...here, bootId: 'boot-9' }, clock)).put(sampleObject('a'));
  });

  test('the heartbeat keeps others away for as long as somebody watches', async () => {
    using directory = new StoreDirectory();
    const clock = new ManualClock();
    const store = directory.open(as(here, clock));
    await using _watch = watching(store);
    for (let passed = 0; passed < 6 * HEARTBEAT_MS; passed += SAFETY_CHECK_MS) clock.advance(SAFETY_CHECK_MS);
    expect(refusal(() => directory.open(as(there, clock)))).toContain('another machine');
  });

  test('a heartbeat is a write every five minutes, whatever the number of processes', async () => {
    using directory = new StoreDirectory();
    const clock = new ManualClock();
    await using _one = watching(directory.open(as(here, clock)));
    await using _two = watching(directory.open(as(here, clock)));
    const beats = new Set<number | undefined>();
    for (let passed = 0; passed < 4 * HEARTBEAT_MS; passed += SAFETY_CHECK_MS) {
      clock.advance(SAFETY_CHECK_MS);
      beats.add(readHostRecord(`${directory.file}-host`)?.beatMs);
    }
    expect(beats.size).toBe(5);
  });

  test('who lost the store to another kernel stops writing at once, and watching at the next heartbeat', async () => {
    using directory = new StoreDirectory();
    const clock = new ManualClock();
    const store = directory.open(as(here, clock));
    await using watch = watching(store);
    const foreign = { ...readHostRecord(`${directory.file}-host`), ...there, beatMs: clock.now().wallMs };
    writeFileSync(`${directory.file}-host`, JSON.stringify(foreign));
    expect(refusal(() => store.put(sampleObject('a')))).toMatch(/another kernel took this store over \(two/);
    clock.advance(HEARTBEAT_MS);
    await expect(watch.next).rejects.toThrow(/another kernel/);
    expect(refusal(() => store.get(sampleKey('a')))).toMatch(/another kernel/);
    expect(JSON.parse(readFileSync(`${directory.file}-host`, 'utf8'))).toEqual(foreign);
  });

  test('half a record, as a power cut may leave it, is no record', () => {
    using directory = new StoreDirectory();
    directory.open().put(sampleObject('a'));
    writeFileSync(`${directory.file}-host`, '{"format":1,"mach');
    expect(directory.open().get(sampleKey('a'))).toBeDefined();
  });

  test('this machine has an identity', () => {
    const identity = readHostIdentity();
    expect(identity.bootId).toMatch(/^[0-9a-f-]{36}$/);
    expect(identity.machineId).not.toBe('');
  });
});

function watching(store: EmbeddedStore): AsyncDisposable & { readonly next: Promise<unknown> } {
  const abort = new AbortController();
  const batches = store.watchObjects(['Service'], store.list('Service').version, abort.signal);
  const next = batches.next();
  next.catch(() => {});
  return {
    next,
    [Symbol.asyncDispose]: async () => {
      abort.abort();
      await next.catch(() => {});
    },
  };
}
