/**
 * The provisioner with the real API server, its real controllers of volumes and the real scheduler, with the rights that its
 * manifest gives it. The driver is a fake: its volumes are not what is tried here.
 */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freshNetns, TemporaryDirectory } from '../../../conformance/testing/netns.ts';
import {
  ATTRIBUTES_CLASSES,
  CAPACITIES,
  EVENTS,
  groupClasses,
  groupContents,
  SNAPSHOT_CLASSES,
  SNAPSHOT_CONTENTS,
  SNAPSHOTS_ASKED,
  VOLUMES,
} from '../../../shared/kube/storage-resources.ts';
import { DRIVER, KEY } from './testing/cluster.ts';
import { FakeDriver } from './testing/fake-driver.ts';
import { RealCluster, realClusterMissing } from './testing/real-cluster.ts';

const missing = realClusterMissing();
if (missing !== undefined) process.stderr.write(`skipped: provisioning with a real API server: ${missing}\n`);

const GI = 1n << 30n;

describe.skipIf(missing !== undefined || !freshNetns())('with a real control plane', () => {
  const directory = new TemporaryDirectory();
  const full = new FakeDriver({ segments: { [KEY]: 'a' }, capacity: GI / 2n });
  const roomy = new FakeDriver({ segments: { [KEY]: 'b' }, capacity: 100n * GI });
  let cluster: RealCluster;

  beforeAll(async () => {
    cluster = await RealCluster.start(directory.path);
    await cluster.storageClass('late', 'WaitForFirstConsumer');
    await cluster.storageClass('now', 'Immediate');
    await cluster.createNode('a');
    await cluster.createNode('b');
    cluster.provision('a', full);
    cluster.provision('b', roomy);
  }, 240_000);

  afterAll(async () => {
    await cluster?.[Symbol.asyncDispose]();
    directory[Symbol.dispose]();
  }, 60_000);

  const at = (name: string): { namespace: string; name: string } => ({ namespace: 'default', name });

  test('the scheduler chooses the node that has room, and the pod’s claim is bound', async () => {
    await cluster.soon(
      'both tell their room',
      async () => (await cluster.client.list(CAPACITIES, (each) => each)).items.length === 2,
    );
    await cluster.claim('data', 'late');
    await cluster.pod('user', 'data');
    await cluster.bound('data');
    const { spec } = await cluster.claimOf('data');
    const volume = await cluster.client.get(VOLUMES, { name: spec?.volumeName ?? '' });
    expect(volume.spec.nodeAffinity?.required?.nodeSelectorTerms).toEqual([
      { matchExpressions: [{ key: KEY, operator: 'In', values: ['b'] }] },
    ]);
    expect(roomy.volumes.size).toBe(1);
    await cluster.soon('the pod has its node', async () => {
      const found = await cluster.plane.admin.get('/api/v1/namespaces/default/pods/user');
      return found.spec?.['nodeName'] === 'b';
    });
    // The role may write events, and not read them.
    await expect(cluster.client.list(EVENTS, () => undefined)).rejects.toThrow('403');
    const seen = await cluster.plane.admin.get<{ items: { reason: string }[] }>(
      '/api/v1/namespaces/default/events',
    );
    const reasons = seen.items.map(({ reason }) => reason);
    expect(reasons).toEqual(expect.arrayContaining(['Provisioning', 'ProvisioningSucceeded']));
  }, 90_000);

  test('the room follows', async () => {
    const rooms = async (): Promise<(string | undefined)[]> =>
      (await cluster.client.list(CAPACITIES, ({ capacity }) => capacity)).items.sort();
    await cluster.soon('it is told', async () => (await rooms()).includes('99Gi'));
    expect(await rooms()).toEqual(['512Mi', '99Gi']);
  }, 90_000);

  test('a claim that binds at once is taken by a node with room', async () => {
    await cluster.claim('at-once', 'now');
    await cluster.bound('at-once');
    expect(roomy.volumes.size).toBe(2);
  }, 90_000);

  test('a node that has no room after all is left: the scheduler chooses another', async () => {
    const late = new FakeDriver({ segments: { [KEY]: 'c' }, capacity: 100n * GI });
    // Somebody filled the disk since its room was told.
    late.chance = (call) => {
      if (call !== 'createVolume') return undefined;
      late.capacity = 0n;
      return { code: 'RESOURCE_EXHAUSTED', after: false };
    };
    await cluster.createNode('c');
    cluster.provision('c', late);
    await cluster.soon('it is told', async () => {
      const { items } = await cluster.client.list(CAPACITIES, ({ capacity }) => capacity);
      return items.includes('100Gi');
    });
    // Which node is tried first is chance.
    for (let index = 0; index < 12 && late.requests('createVolume').length === 0; index++) {
      await cluster.claim(`spread-${index}`, 'late');
      await cluster.pod(`spread-${index}`, `spread-${index}`);
      await cluster.bound(`spread-${index}`);
    }
    expect(late.requests('createVolume').length).toBeGreaterThan(0);
    expect(late.volumes.size).toBe(0);
  }, 150_000);

  test('a larger size: the node is next, and then it is done', async () => {
    await cluster.changeClaim('data', { resources: { requests: { storage: '2Gi' } } });
    await cluster.soon('the node is next', async () => {
      const { status } = await cluster.claimOf('data');
      return status?.allocatedResourceStatuses?.['storage'] === 'NodeResizePending';
    });
    const { status, spec } = await cluster.claimOf('data');
    expect(status).toMatchObject({ capacity: { storage: '1Gi' }, allocatedResources: { storage: '2Gi' } });
    expect(status?.conditions?.map(({ type }) => type)).toContain('FileSystemResizePending');
    const name = spec?.volumeName ?? '';
    const before = await cluster.client.get(VOLUMES, { name });
    expect(before.spec.capacity).toEqual({ storage: '2Gi' });
    // As the kubelet ends it.
    await cluster.plane.admin.patch(
      '/api/v1/namespaces/default/persistentvolumeclaims/data/status',
      { status: { capacity: { storage: '2Gi' }, conditions: null, allocatedResourceStatuses: null } },
      'merge',
    );
    await cluster.soon('the size before is forgotten', async () => {
      const { metadata } = await cluster.client.get(VOLUMES, { name });
      return metadata.annotations?.['volume.alpha.kubernetes.io/pre-resize-capacity'] === undefined;
    });
  }, 90_000);

  test('other attributes', async () => {
    await cluster.create(ATTRIBUTES_CLASSES, {
      metadata: { name: 'gold' },
      driverName: DRIVER,
      parameters: { readIOPS: '100' },
    });
    await cluster.changeClaim('data', { volumeAttributesClassName: 'gold' });
    await cluster.soon('it is done', async () => {
      const { status } = await cluster.claimOf('data');
      return status?.currentVolumeAttributesClassName === 'gold' && status.modifyVolumeStatus === undefined;
    });
    expect(roomy.requests('controllerModifyVolume')).toHaveLength(1);
    roomy.fail({ call: 'controllerModifyVolume', code: 'INVALID_ARGUMENT' });
    await cluster.create(ATTRIBUTES_CLASSES, {
      metadata: { name: 'bad' },
      driverName: DRIVER,
      parameters: { colour: 'red' },
    });
    await cluster.claim('more', 'now', { volumeAttributesClassName: 'gold' });
    await cluster.bound('more');
    await cluster.changeClaim('more', { volumeAttributesClassName: 'bad' });
    await cluster.soon('it is refused', async () => {
      const { status } = await cluster.claimOf('more');
      return status?.modifyVolumeStatus?.status === 'Infeasible';
    });
  }, 90_000);

  test('a snapshot is taken, restored and deleted', async () => {
    const FINALIZER = 'snapshot.storage.kubernetes.io/volumesnapshotcontent-bound-protection';
    const { spec } = await cluster.claimOf('data');
    const volume = await cluster.client.get(VOLUMES, { name: spec?.volumeName ?? '' });
    await cluster.create(SNAPSHOT_CLASSES, {
      apiVersion: 'snapshot.storage.k8s.io/v1',
      kind: 'VolumeSnapshotClass',
      metadata: { name: 'snap' },
      driver: DRIVER,
      deletionPolicy: 'Delete',
    });
    const snapshots = '/apis/snapshot.storage.k8s.io/v1/namespaces/default/volumesnapshots';
    const made = await cluster.plane.admin.post<{ metadata: { uid: string } }>(snapshots, {
      apiVersion: 'snapshot.storage.k8s.io/v1',
      kind: 'VolumeSnapshot',
      metadata: { name: 'asked' },
      spec: { source: { persistentVolumeClaimName: 'data' } },
    });
    await cluster.create(SNAPSHOT_CONTENTS, {
      apiVersion: 'snapshot.storage.k8s.io/v1',
      kind: 'VolumeSnapshotContent',
      metadata: { name: 'content', finalizers: [FINALIZER] },
      spec: {
        driver: DRIVER,
        deletionPolicy: 'Delete',
        volumeSnapshotClassName: 'snap',
        volumeSnapshotRef: { namespace: 'default', name: 'asked', uid: made.metadata.uid },
        source: { volumeHandle: volume.spec.csi?.volumeHandle },
      },
    });
    await cluster.soon('it is ready', async () => {
      const { status, metadata } = await cluster.client.get(SNAPSHOT_CONTENTS, { name: 'content' });
      return status?.readyToUse === true && !Object.keys(metadata.annotations ?? {}).length;
    });
    await cluster.plane.admin.patch(
      `${snapshots}/asked/status`,
      { status: { boundVolumeSnapshotContentName: 'content', readyToUse: true, restoreSize: '2Gi' } },
      'merge',
    );
    await cluster.claim('back', 'now', {
      resources: { requests: { storage: '2Gi' } },
      dataSource: { apiGroup: 'snapshot.storage.k8s.io', kind: 'VolumeSnapshot', name: 'asked' },
    });
    await cluster.bound('back');
    await cluster.soon('the snapshot is let go', async () => {
      const { metadata } = await cluster.client.get(SNAPSHOTS_ASKED, at('asked'));
      return metadata.finalizers === undefined || metadata.finalizers.length === 0;
    });
    const contents = '/apis/snapshot.storage.k8s.io/v1/volumesnapshotcontents/content';
    await cluster.plane.admin.patch(
      contents,
      { metadata: { annotations: { 'snapshot.storage.kubernetes.io/volumesnapshot-being-deleted': 'yes' } } },
      'merge',
    );
    await cluster.plane.admin.delete(contents);
    await cluster.soon('it is gone', () => cluster.gone(contents));
    expect(roomy.snapshots.size).toBe(0);
  }, 90_000);

  test('a group', async () => {
    const type = { apiVersion: 'groupsnapshot.storage.k8s.io/v1' };
    const handles = [...roomy.volumes.keys()].slice(0, 2);
    await cluster.create(groupClasses('v1'), {
      ...type,
      kind: 'VolumeGroupSnapshotClass',
      metadata: { name: 'g' },
      driver: DRIVER,
      deletionPolicy: 'Delete',
    });
    await cluster.create(groupContents('v1'), {
      ...type,
      kind: 'VolumeGroupSnapshotContent',
      metadata: { name: 'group' },
      spec: {
        driver: DRIVER,
        deletionPolicy: 'Delete',
        volumeGroupSnapshotClassName: 'g',
        volumeGroupSnapshotRef: { namespace: 'default', name: 'asked', uid: 'g' },
        source: { volumeHandles: handles },
      },
    });
    await cluster.soon('it is ready', async () => {
      const { status } = await cluster.client.get(groupContents('v1'), { name: 'group' });
      return status?.readyToUse === true && status.volumeSnapshotInfoList?.length === 2;
    });
  }, 90_000);

  test('what is deleted is gone: claim, volume and data', async () => {
    const before = roomy.volumes.size;
    const { spec } = await cluster.claimOf('at-once');
    await cluster.plane.admin.delete('/api/v1/namespaces/default/persistentvolumeclaims/at-once');
    await cluster.soon('the volume is gone', () =>
      cluster.gone(`/api/v1/persistentvolumes/${spec?.volumeName}`),
    );
    expect(roomy.volumes.size).toBe(before - 1);
  }, 90_000);

  test('the API server goes and comes back: what was asked for meanwhile is done', async () => {
    await cluster.plane.apiserver.kill();
    await cluster.soon('it is seen', async () =>
      cluster.log.some((line) => line.includes('does not answer')),
    );
    await cluster.plane.apiserver.start();
    await cluster.claim('later', 'now');
    await cluster.bound('later');
  }, 120_000);
});
