import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type {
  VolumeGroupSnapshotContent,
  VolumeSnapshotContent,
} from '../../../shared/kube/snapshot-types.ts';
import {
  CLAIMS,
  groupClasses,
  groupContents,
  SNAPSHOT_CLASSES,
  SNAPSHOT_CONTENTS,
  VOLUMES,
} from '../../../shared/kube/storage-resources.ts';
import { until } from '../../../shared/kube/testing/test-clock.ts';
import { DRIVER, KEY, type Running, TestCluster } from './testing/cluster.ts';
import { FakeDriver } from './testing/fake-driver.ts';

let cluster: TestCluster;
let running: Running;

const FINALIZER = 'snapshot.storage.kubernetes.io/volumesnapshotcontent-bound-protection';
const CREATING = 'snapshot.storage.kubernetes.io/volumesnapshot-being-created';
const DELETING = 'snapshot.storage.kubernetes.io/volumesnapshot-being-deleted';
const CONTENTS = 'apis/snapshot.storage.k8s.io/v1/volumesnapshotcontents';
const content = (): VolumeSnapshotContent =>
  cluster.server.store.get(CONTENTS, 'content') as VolumeSnapshotContent;
const contents = (): number => cluster.server.store.all(CONTENTS).length;

/** A content as the snapshot controller makes it. */
async function ask(
  source: VolumeSnapshotContent['spec']['source'] = { volumeHandle: 'volume-1' },
  more: Partial<VolumeSnapshotContent['metadata']> = {},
): Promise<void> {
  await cluster.client.create(SNAPSHOT_CONTENTS, {
    metadata: { name: 'content', finalizers: [FINALIZER], ...more },
    spec: {
      driver: DRIVER,
      deletionPolicy: 'Delete',
      volumeSnapshotClassName: 'snap',
      volumeSnapshotRef: { namespace: 'default', name: 'asked', uid: 'u' },
      source,
    },
  });
}

async function remove(): Promise<void> {
  const annotations = { [DELETING]: 'yes' };
  await cluster.client.patch(SNAPSHOT_CONTENTS, 'merge', { metadata: { annotations } }, { name: 'content' });
  await cluster.client.delete(SNAPSHOT_CONTENTS, { name: 'content' });
}

beforeEach(async () => {
  cluster = new TestCluster();
  await cluster.storageClass('fast');
  await cluster.claim('data', 'a');
  await cluster.client.create(SNAPSHOT_CLASSES, {
    metadata: { name: 'snap' },
    driver: DRIVER,
    deletionPolicy: 'Delete',
    parameters: {
      compress: 'no',
      'csi.storage.k8s.io/snapshotter-secret-name': 'x',
      'csi.storage.k8s.io/snapshotter-secret-namespace': 'x',
    },
  });
  running = cluster.start();
  await until('the volume is there', () => cluster.volumes().length === 1);
});

afterEach(async () => {
  await cluster[Symbol.asyncDispose]();
});

describe('a snapshot', () => {
  test('is taken, and written down as csi-snapshotter does', async () => {
    await ask();
    await until('it is ready', () => content().status?.readyToUse === true);
    expect(cluster.driver.requests('createSnapshot')).toEqual([
      {
        name: 'snapshot-u',
        sourceVolumeId: 'volume-1',
        parameters: {
          compress: 'no',
          'csi.storage.k8s.io/volumesnapshot/name': 'asked',
          'csi.storage.k8s.io/volumesnapshot/namespace': 'default',
          'csi.storage.k8s.io/volumesnapshotcontent/name': 'content',
        },
        secrets: {},
      },
    ]);
    expect(content().status).toEqual({
      snapshotHandle: 'snapshot-of-snapshot-u',
      readyToUse: true,
      creationTime: 1_767_225_600_000_000_000,
      restoreSize: 1_073_741_824,
    });
    await until('the note is gone', () => content().metadata.annotations?.[CREATING] === undefined);
  });

  test('that is not ready yet is looked at again', async () => {
    cluster.driver.snapshotsReady = false;
    await ask();
    await until('it is there', () => content().status?.readyToUse === false);
    await running.provisioner.idle();
    cluster.driver.snapshotsReady = true;
    await expect
      .poll(() => {
        cluster.clock.advance(1000);
        return content().status?.readyToUse;
      })
      .toBe(true);
  });

  test('that fails: said in the object and as an event, once', async () => {
    cluster.driver.fail({ call: 'createSnapshot', code: 'INTERNAL', times: 3 });
    await ask();
    const message =
      'Failed to create snapshot: failed to take snapshot of the volume volume-1: ' +
      '"rpc error: code = Internal desc = as the test asked"';
    await until('it is said', () => content().status?.error?.message === message);
    expect(content().metadata.annotations).toEqual({});
    expect(await cluster.events()).toContain(`SnapshotCreationFailed: ${message}`);
    expect(running.provisioner.status.snapshots).toHaveLength(1);
    expect(cluster.driver.requests('createSnapshot')).toHaveLength(1);
    await expect
      .poll(() => {
        cluster.clock.advance(10_000);
        return content().status;
      })
      .toMatchObject({ readyToUse: true });
    expect(content().status?.error).toBeUndefined();
  });

  test('is deleted, with its object', async () => {
    await ask();
    await until('it is ready', () => content().status?.readyToUse === true);
    cluster.driver.fail({ call: 'deleteSnapshot', code: 'UNAVAILABLE' });
    await remove();
    await until('it was tried', () => cluster.driver.requests('deleteSnapshot').length === 1);
    expect(await cluster.events()).toContain('SnapshotDeleteError: Failed to delete snapshot');
    await expect
      .poll(() => {
        cluster.clock.advance(1000);
        return contents();
      })
      .toBe(0);
    expect(cluster.driver.snapshots.size).toBe(0);
  });

  test('whose volume is gone is deleted by the node that has it', async () => {
    await ask();
    await until('it is ready', () => content().status?.readyToUse === true);
    const other = new FakeDriver({ segments: { [KEY]: 'b' } });
    cluster.start({ node: { name: 'b', segments: { [KEY]: 'b' } }, calls: other.calls });
    await cluster.client.delete(CLAIMS, { namespace: 'default', name: 'data' });
    await cluster.phase(cluster.volumes()[0]?.metadata.name ?? '', 'Released');
    await until('the volume is gone', () => cluster.volumes().length === 0);
    await remove();
    await until('the object is gone', () => contents() === 0);
    expect(cluster.driver.snapshots.size).toBe(0);
    expect(other.requests('deleteSnapshot')).toEqual([]);
  });

  test('that never came to be is let go by any node', async () => {
    await cluster.client.patch(
      VOLUMES,
      'merge',
      { spec: { nodeAffinity: { required: { nodeSelectorTerms: [] } } } },
      {
        name: cluster.volumes()[0]?.metadata.name ?? '',
      },
    );
    await ask();
    await remove();
    await expect
      .poll(() => {
        cluster.clock.advance(10_000);
        return contents();
      })
      .toBe(0);
    expect(cluster.driver.requests('createSnapshot')).toEqual([]);
  });

  test('whose answer was lost is not forgotten when it is deleted', async () => {
    cluster.driver.fail({ call: 'createSnapshot', code: 'DEADLINE_EXCEEDED', after: true });
    await ask();
    await until('it is said', () => content().status?.error !== undefined);
    expect(content().metadata.annotations?.[CREATING]).toBe('yes');
    await running.kill();
    await remove();
    cluster.start();
    await until('the object is gone', () => contents() === 0);
    expect(cluster.driver.snapshots.size).toBe(0);
  });

  test('killed before it is written down', async () => {
    const fault = cluster.server.inject({
      when: ({ method, path }) =>
        method === 'PATCH' && path.endsWith('/volumesnapshotcontents/content/status'),
      answer: 'hang',
    });
    await ask();
    await until('it is taken', () => cluster.driver.snapshots.size === 1);
    await running.kill();
    fault[Symbol.dispose]();
    cluster.start();
    await until('it is ready', () => content().status?.readyToUse === true);
    expect(cluster.driver.snapshots.size).toBe(1);
  });

  test('that was there before', async () => {
    const { createSnapshot } = cluster.driver.calls;
    await createSnapshot?.({ name: 's', sourceVolumeId: 'volume-1' }, new AbortController().signal);
    const other = new FakeDriver({ segments: { [KEY]: 'b' } });
    cluster.start({ node: { name: 'b', segments: { [KEY]: 'b' } }, calls: other.calls });
    await ask({ snapshotHandle: 'snapshot-of-s' });
    await until('it is ready', () => content().status?.readyToUse === true);
    expect(content().status).toMatchObject({ snapshotHandle: 'snapshot-of-s', restoreSize: 1_073_741_824 });
    expect(other.requests('createSnapshot')).toEqual([]);
  });

  test.each([
    ['b', 0],
    ['a', 1],
  ])('that is said to be of node %s', async (node, times) => {
    await ask(
      { volumeHandle: 'volume-1' },
      { labels: { 'snapshot.storage.kubernetes.io/managed-by': node } },
    );
    await cluster.claim('next', 'a');
    await until('another volume is there', () => cluster.volumes().length === 2);
    await running.provisioner.idle();
    expect(cluster.driver.requests('createSnapshot')).toHaveLength(times);
  });
});

test('a cluster without snapshots: waited for, and said once', async () => {
  await running.kill();
  cluster.log.length = 0;
  const fault = cluster.server.inject({
    when: ({ path }) => path.includes('/snapshot.storage.k8s.io/') || path.includes('/groupsnapshot'),
    answer: { code: 404, reason: 'NotFound' },
  });
  const { provisioner } = cluster.start();
  await until('it is seen', () => provisioner.status.missing.length === 2);
  for (let tries = 0; tries < 5; tries++) {
    cluster.clock.advance(60_000);
    await Bun.sleep(5);
  }
  expect(cluster.log.filter((line) => line.includes('has no volumesnapshotcontents'))).toHaveLength(1);
  expect(cluster.log.filter((line) => line.includes('has no volumegroupsnapshotcontents'))).toHaveLength(1);
  expect(provisioner.status.reachable).toBe(true);
  fault[Symbol.dispose]();
  await ask();
  await expect
    .poll(() => {
      cluster.clock.advance(60_000);
      return content().status?.readyToUse;
    })
    .toBe(true);
});

describe.each(['v1', 'v1beta2', 'v1beta1'] as const)('a group of %s', (version) => {
  const GROUP_FINALIZER = 'groupsnapshot.storage.kubernetes.io/volumegroupsnapshotcontent-bound-protection';
  const resource = groupContents(version);
  const path = `apis/groupsnapshot.storage.k8s.io/${version}/volumegroupsnapshotcontents`;
  const group = (): VolumeGroupSnapshotContent =>
    cluster.server.store.get(path, 'group') as VolumeGroupSnapshotContent;

  beforeEach(async () => {
    await running.kill();
    cluster.server.inject({
      when: (request) =>
        request.path.includes('/groupsnapshot.storage.k8s.io/') && !request.path.includes(`/${version}/`),
      answer: { code: 404, reason: 'NotFound' },
    });
    await cluster.client.create(groupClasses(version), {
      metadata: { name: 'groups' },
      driver: DRIVER,
      deletionPolicy: 'Delete',
    });
    running = cluster.start();
    await cluster.claim('more', 'a');
    await until('the volumes are there', () => cluster.volumes().length === 2);
    await cluster.client.create(resource, {
      metadata: { name: 'group', finalizers: [GROUP_FINALIZER] },
      spec: {
        driver: DRIVER,
        deletionPolicy: 'Delete',
        volumeGroupSnapshotClassName: 'groups',
        volumeGroupSnapshotRef: { namespace: 'default', name: 'asked', uid: 'g' },
        source: { volumeHandles: ['volume-1', 'volume-2'] },
      },
    });
    await until('it is ready', () => group().status?.readyToUse === true);
  });

  test('is taken', () => {
    expect(cluster.driver.requests('createVolumeGroupSnapshot')).toMatchObject([
      {
        name: 'groupsnapshot-g',
        sourceVolumeIds: ['volume-1', 'volume-2'],
        parameters: { 'csi.storage.k8s.io/volumegroupsnapshotcontent/name': 'group' },
      },
    ]);
    const { status } = group();
    expect(status).toMatchObject({
      volumeGroupSnapshotHandle: 'group-of-groupsnapshot-g',
      creationTime: '2026-01-01T00:00:00Z',
    });
    const pair = { volumeHandle: 'volume-1', snapshotHandle: 'snapshot-of-groupsnapshot-g-volume-1' };
    if (version === 'v1beta1') expect(status?.volumeSnapshotHandlePairList?.[0]).toEqual(pair);
    else
      expect(status?.volumeSnapshotInfoList?.[0]).toEqual({
        ...pair,
        creationTime: 1_767_225_600_000_000_000,
        readyToUse: true,
        restoreSize: 1_073_741_824,
      });
  });

  test('is deleted', async () => {
    const annotations = { 'groupsnapshot.storage.kubernetes.io/volumegroupsnapshot-being-deleted': 'yes' };
    await cluster.client.patch(resource, 'merge', { metadata: { annotations } }, { name: 'group' });
    await cluster.client.delete(resource, { name: 'group' });
    await until('the object is gone', () => cluster.server.store.all(path).length === 0);
    expect(cluster.driver.groups.size + cluster.driver.snapshots.size).toBe(0);
  });

  test('its members are made and deleted with it', async () => {
    await cluster.client.create(SNAPSHOT_CONTENTS, {
      metadata: {
        name: 'content',
        finalizers: [FINALIZER],
        annotations: { 'groupsnapshot.storage.k8s.io/volumeGroupSnapshotHandle': 'group-of-groupsnapshot-g' },
      },
      spec: {
        driver: DRIVER,
        deletionPolicy: 'Delete',
        volumeSnapshotRef: { namespace: 'default', name: 'member', uid: 'm' },
        source: { volumeHandle: 'volume-1' },
      },
      status: {
        snapshotHandle: 'snapshot-of-groupsnapshot-g-volume-1',
        volumeGroupSnapshotHandle: 'group-of-groupsnapshot-g',
      },
    });
    await until('it is ready', () => content().status?.readyToUse === true);
    await remove();
    await until('the object is gone', () => contents() === 0);
    expect(cluster.driver.requests('createSnapshot')).toEqual([]);
    expect(cluster.driver.requests('deleteSnapshot')).toEqual([]);
  });
});
