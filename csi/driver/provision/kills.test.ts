/**
 * A volume's whole life, with the provisioner killed at every write to the API server and at every call of the driver, before
 * it is done and after: whoever comes next goes on, and at the end nothing is left.
 */

import { expect, test } from 'vitest';
import type { VolumeSnapshotContent } from '../../../shared/kube/snapshot-types.ts';
import { CLAIMS, SNAPSHOT_CLASSES, SNAPSHOT_CONTENTS } from '../../../shared/kube/storage-resources.ts';
import type { PersistentVolumeClaim } from '../../../shared/kube/storage-types.ts';
import { DRIVER, type Running, TestCluster } from './testing/cluster.ts';

const FINALIZER = 'snapshot.storage.kubernetes.io/volumesnapshotcontent-bound-protection';
const DELETING = 'snapshot.storage.kubernetes.io/volumesnapshot-being-deleted';
const CLAIM = 'api/v1/persistentvolumeclaims';
const CONTENT = 'apis/snapshot.storage.k8s.io/v1/volumesnapshotcontents';
const DATA = { namespace: 'default', name: 'data' };

/** Lives through everything. @param kill called again and again; true: it is time */
async function live(cluster: TestCluster, isTime: () => boolean): Promise<void> {
  let running: Running = cluster.start();
  const claim = (): PersistentVolumeClaim =>
    cluster.server.store.get(CLAIM, 'default/data') as PersistentVolumeClaim;
  const content = (): VolumeSnapshotContent =>
    cluster.server.store.get(CONTENT, 'content') as VolumeSnapshotContent;
  const until = async (what: string, holds: () => boolean): Promise<void> => {
    const deadline = performance.now() + 10_000;
    while (!holds()) {
      if (performance.now() > deadline) throw new Error(`still not: ${what}\n${cluster.log.join('')}`);
      await Bun.sleep(2);
      // Nobody waits for the next try.
      cluster.clock.advance(500);
      if (!isTime()) continue;
      await running.kill();
      running = cluster.start();
    }
  };
  await cluster.claim('data', 'a');
  await until('the volume is there', () => cluster.volumes().length === 1);
  const { metadata } = await cluster.bind('data');
  await cluster.client.patch(
    CLAIMS,
    'merge',
    { spec: { resources: { requests: { storage: '2Gi' } } } },
    DATA,
  );
  await until(
    'the node is next',
    () => claim().status?.allocatedResourceStatuses?.['storage'] === 'NodeResizePending',
  );
  const status = { capacity: { storage: '2Gi' }, conditions: null, allocatedResourceStatuses: null };
  await cluster.client.patch(CLAIMS, 'merge', { status }, { ...DATA, subresource: 'status' });
  await cluster.client.create(SNAPSHOT_CONTENTS, {
    metadata: { name: 'content', finalizers: [FINALIZER] },
    spec: {
      driver: DRIVER,
      deletionPolicy: 'Delete',
      volumeSnapshotClassName: 'snap',
      volumeSnapshotRef: { namespace: 'default', name: 'asked', uid: 'u' },
      source: { volumeHandle: cluster.volumes()[0]?.spec.csi?.volumeHandle ?? '' },
    },
  });
  await until('the snapshot is ready', () => content().status?.readyToUse === true);
  const annotations = { [DELETING]: 'yes' };
  await cluster.client.patch(SNAPSHOT_CONTENTS, 'merge', { metadata: { annotations } }, { name: 'content' });
  await cluster.client.delete(SNAPSHOT_CONTENTS, { name: 'content' });
  await until('the snapshot is gone', () => cluster.server.store.all(CONTENT).length === 0);
  await cluster.client.delete(CLAIMS, DATA);
  await cluster.phase(metadata.name, 'Released');
  await until('the volume is gone', () => cluster.volumes().length === 0);
  await until('nothing is noted', () => cluster.journal.all.size === 0);
}

async function prepared(): Promise<TestCluster> {
  const cluster = new TestCluster();
  await cluster.storageClass('fast');
  await cluster.client.create(SNAPSHOT_CLASSES, {
    metadata: { name: 'snap' },
    driver: DRIVER,
    deletionPolicy: 'Delete',
  });
  return cluster;
}

function expectNothingLeft({ driver, journal }: TestCluster): void {
  expect(driver.volumes.size + driver.snapshots.size + journal.all.size).toBe(0);
  // One volume was made, however often it was asked for.
  expect(driver.made).toBe(1);
}

const WRITES = 40;
const ours = (agent: string | null): boolean => agent === 'provisioner';

test.each(['hang', 'lost'] as const)(
  'killed at each write to the API server: %s',
  async (answer) => {
    let longest = 0;
    for (let at = 1; at <= WRITES; at++) {
      await using cluster = await prepared();
      let writes = 0;
      let isHit = false;
      cluster.server.inject({
        when: ({ method, headers, path }) => {
          if (method === 'GET' || path.endsWith('/events') || !ours(headers.get('user-agent'))) return false;
          writes += 1;
          if (writes === at) isHit = true;
          return writes === at;
        },
        answer,
      });
      await live(cluster, () => {
        const isTime = isHit;
        isHit = false;
        return isTime;
      });
      expectNothingLeft(cluster);
      longest = Math.max(longest, at);
      if (writes < at) break;
    }
    // The scenario has fewer writes than were tried: each of them was hit.
    expect(longest).toBeGreaterThan(10);
    expect(longest).toBeLessThan(WRITES);
  },
  120_000,
);

test.each(['before', 'after'] as const)(
  'killed at each call of the driver: %s it is done',
  async (when) => {
    let at = 0;
    for (;;) {
      at += 1;
      await using cluster = await prepared();
      let isHit = false;
      const { driver } = cluster;
      driver.interrupt(at, when, () => {
        isHit = true;
      });
      await live(cluster, () => {
        const isTime = isHit;
        isHit = false;
        return isTime;
      });
      expectNothingLeft(cluster);
      if (driver.seen.length < at) break;
    }
    expect(at).toBeGreaterThan(4);
  },
  120_000,
);
