import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ATTRIBUTES_CLASSES, CLAIMS, VOLUMES } from '../../../shared/kube/storage-resources.ts';
import type { PersistentVolumeClaim } from '../../../shared/kube/storage-types.ts';
import { until } from '../../../shared/kube/testing/test-clock.ts';
import { DRIVER, type Running, TestCluster } from './testing/cluster.ts';

let cluster: TestCluster;
let running: Running;
let volume: string;

const DATA = { namespace: 'default', name: 'data' };
const STATUS = { ...DATA, subresource: 'status' };

const claim = (): PersistentVolumeClaim =>
  cluster.server.store.get('api/v1/persistentvolumeclaims', 'default/data') as PersistentVolumeClaim;

beforeEach(async () => {
  cluster = new TestCluster();
  await cluster.storageClass('fast');
  await cluster.claim('data', 'a');
  running = cluster.start();
  await until('the volume is there', () => cluster.volumes().length === 1);
  volume = (await cluster.bind('data')).metadata.name;
});

afterEach(async () => {
  await cluster[Symbol.asyncDispose]();
});

async function ask(size: string): Promise<void> {
  await cluster.client.patch(CLAIMS, 'merge', { spec: { resources: { requests: { storage: size } } } }, DATA);
}

describe('a larger size', () => {
  test('that the node has to follow', async () => {
    await ask('2Gi');
    await until(
      'the node is next',
      () => claim().status?.allocatedResourceStatuses?.['storage'] === 'NodeResizePending',
    );
    expect(cluster.driver.requests('controllerExpandVolume')).toEqual([
      {
        volumeId: 'volume-1',
        capacityRange: { requiredBytes: 2147483648n },
        volumeCapability: { mount: { fsType: '', mountFlags: [] }, accessMode: { mode: 7 } },
        secrets: {},
      },
    ]);
    expect(claim().status).toMatchObject({
      capacity: { storage: '1Gi' },
      allocatedResources: { storage: '2Gi' },
      conditions: [
        { type: 'Resizing', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' },
        {
          type: 'FileSystemResizePending',
          status: 'True',
          message: 'Waiting for user to (re-)start a pod to finish file system resize of volume on node.',
        },
      ],
    });
    const annotation = 'volume.alpha.kubernetes.io/pre-resize-capacity';
    expect(cluster.volumes()[0]).toMatchObject({
      metadata: { annotations: { [annotation]: '1Gi' } },
      spec: { capacity: { storage: '2Gi' } },
    });
    expect(await cluster.events()).toEqual(
      expect.arrayContaining([
        `Resizing: External resizer is resizing volume ${volume}`,
        'FileSystemResizeRequired: Require file system resize of volume on node',
      ]),
    );
    // The kubelet did its part.
    const status = { capacity: { storage: '2Gi' }, conditions: null, allocatedResourceStatuses: null };
    await cluster.client.patch(CLAIMS, 'merge', { status }, STATUS);
    await until(
      'the size before is forgotten',
      () => cluster.volumes()[0]?.metadata.annotations?.[annotation] === undefined,
    );
    expect(cluster.driver.requests('controllerExpandVolume')).toHaveLength(1);
  });

  test('that the node need not follow', async () => {
    cluster.driver.nodeExpansionRequired = false;
    await ask('2Gi');
    await until('it is done', () => claim().status?.capacity?.['storage'] === '2Gi');
    expect(claim()).toMatchObject({
      metadata: { annotations: { 'volume.kubernetes.io/node-expansion-not-required': 'true' } },
      status: { conditions: [], allocatedResourceStatuses: {} },
    });
    expect(await cluster.events()).toContain('VolumeResizeSuccessful: Resize volume succeeded');
  });

  test('of a claim whose volume was another driver’s once', async () => {
    const annotations = { 'volume.kubernetes.io/storage-provisioner': 'rancher.io/local-path' };
    await cluster.client.patch(CLAIMS, 'merge', { metadata: { annotations } }, DATA);
    await ask('2Gi');
    await until(
      'the node is next',
      () => claim().status?.allocatedResourceStatuses?.['storage'] === 'NodeResizePending',
    );
  });

  test('that cannot be: said, and tried again rarely, until another is asked for', async () => {
    cluster.driver.fail({ call: 'controllerExpandVolume', code: 'OUT_OF_RANGE' });
    await ask('2Gi');
    await until(
      'it is said',
      () => claim().status?.allocatedResourceStatuses?.['storage'] === 'ControllerResizeInfeasible',
    );
    expect(claim().status?.conditions).toContainEqual(
      expect.objectContaining({
        type: 'ControllerResizeError',
        message: 'failed to expand pvc with rpc error: code = OutOfRange desc = as the test asked',
      }),
    );
    cluster.clock.advance(60_000);
    await running.provisioner.idle();
    expect(cluster.driver.requests('controllerExpandVolume')).toHaveLength(1);
    expect(running.provisioner.status.changes).toHaveLength(1);
    await ask('1536Mi');
    await until(
      'the node is next',
      () => claim().status?.allocatedResourceStatuses?.['storage'] === 'NodeResizePending',
    );
    expect(claim().status?.allocatedResources).toEqual({ storage: '1536Mi' });
  });

  test('that may be under way is ended before another', async () => {
    cluster.driver.fail({ call: 'controllerExpandVolume', code: 'ABORTED' });
    await ask('2Gi');
    await until('it waits', () => running.provisioner.status.changes.length === 1);
    await ask('3Gi');
    await until('the first is done', () => cluster.volumes()[0]?.spec.capacity?.['storage'] === '2Gi');
    const status = { capacity: { storage: '2Gi' }, conditions: null, allocatedResourceStatuses: null };
    await until(
      'the node is next',
      () => claim().status?.allocatedResourceStatuses?.['storage'] === 'NodeResizePending',
    );
    await cluster.client.patch(CLAIMS, 'merge', { status }, STATUS);
    await until('the second is done', () => cluster.volumes()[0]?.spec.capacity?.['storage'] === '3Gi');
    const sizes = cluster.driver.requests('controllerExpandVolume').map(({ capacityRange }) => capacityRange);
    expect(sizes.map((range) => (range as { requiredBytes: bigint }).requiredBytes >> 30n)).toEqual([
      2n,
      2n,
      3n,
    ]);
  });

  test('killed before the volume says so', async () => {
    const fault = cluster.server.inject({
      when: ({ method, path }) => method === 'PATCH' && path.includes('/persistentvolumes/'),
      answer: 'hang',
    });
    await ask('2Gi');
    await until('the driver did it', () => cluster.driver.volumes.get('volume-1')?.size === 2n << 30n);
    await running.kill();
    fault[Symbol.dispose]();
    cluster.start();
    await until(
      'the node is next',
      () => claim().status?.allocatedResourceStatuses?.['storage'] === 'NodeResizePending',
    );
    expect(cluster.volumes()[0]?.spec.capacity).toEqual({ storage: '2Gi' });
  });
});

describe('other attributes', () => {
  const attributesClass = (name: string): Promise<unknown> =>
    cluster.client.create(ATTRIBUTES_CLASSES, {
      metadata: { name },
      driverName: DRIVER,
      parameters: { readIOPS: '100' },
    });
  const want = (name: string): Promise<unknown> =>
    cluster.client.patch(CLAIMS, 'merge', { spec: { volumeAttributesClassName: name } }, DATA);

  test('are given to the driver', async () => {
    await attributesClass('gold');
    await want('gold');
    await until('it is done', () => claim().status?.currentVolumeAttributesClassName === 'gold');
    expect(cluster.driver.requests('controllerModifyVolume')).toEqual([
      { volumeId: 'volume-1', mutableParameters: { readIOPS: '100' }, secrets: {} },
    ]);
    expect(claim().status).toMatchObject({ conditions: [] });
    expect(claim().status?.modifyVolumeStatus).toBeUndefined();
    expect((await cluster.client.get(VOLUMES, { name: volume })).spec.volumeAttributesClassName).toBe('gold');
    expect(await cluster.events()).toEqual(
      expect.arrayContaining([
        'VolumeModify: external resizer is modifying volume data with vac gold',
        'VolumeModifySuccessful: external resizer modified volume data with vac gold successfully',
      ]),
    );
  });

  test('of a class that comes later', async () => {
    await want('gold');
    await until('it waits', () => claim().status?.modifyVolumeStatus?.status === 'Pending');
    await attributesClass('gold');
    await until('it is done', () => claim().status?.currentVolumeAttributesClassName === 'gold');
  });

  test('that the driver refuses; then others', async () => {
    cluster.driver.fail({ call: 'controllerModifyVolume', code: 'INVALID_ARGUMENT' });
    await attributesClass('gold');
    await attributesClass('silver');
    await want('gold');
    await until('it is said', () => claim().status?.modifyVolumeStatus?.status === 'Infeasible');
    expect(claim().status?.conditions).toMatchObject([
      { type: 'ModifyingVolume', message: 'Modifying volume to "gold" failed. Waiting for retry.' },
      { type: 'ModifyVolumeError', reason: 'InvalidArgument', message: 'as the test asked' },
    ]);
    await want('silver');
    await until('it is done', () => claim().status?.currentVolumeAttributesClassName === 'silver');
  });

  test('that may be under way are ended first, by a new process too', async () => {
    cluster.driver.fail({ call: 'controllerModifyVolume', code: 'UNAVAILABLE' });
    await attributesClass('gold');
    await attributesClass('silver');
    await want('gold');
    await until('it is said', () => (claim().status?.conditions?.length ?? 0) === 2);
    await running.kill();
    await want('silver');
    cluster.start();
    await until('it is done', () => claim().status?.currentVolumeAttributesClassName === 'silver');
    expect(cluster.driver.requests('controllerModifyVolume')).toHaveLength(3);
  });
});
