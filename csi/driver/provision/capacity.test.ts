import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { PODS } from '../../../shared/kube/resource.ts';
import { CAPACITIES, STORAGE_CLASSES } from '../../../shared/kube/storage-resources.ts';
import type { CsiStorageCapacity } from '../../../shared/kube/storage-types.ts';
import { until } from '../../../shared/kube/testing/test-clock.ts';
import { managerName } from './capacity-plan.ts';
import { DRIVER, KEY, TestCluster } from './testing/cluster.ts';

let cluster: TestCluster;
let letters = 0;

const PLACE = { namespace: 'kube-system', pod: 'driver-x' };
const objects = (): CsiStorageCapacity[] =>
  cluster.server.store.all('apis/storage.k8s.io/v1/csistoragecapacities') as CsiStorageCapacity[];
const random = (): number => {
  letters += 1;
  return (letters % 100) / 100;
};

beforeEach(async () => {
  cluster = new TestCluster();
  cluster.driver.capacity = 10n << 30n;
  await cluster.client.create(
    PODS,
    {
      metadata: {
        name: 'driver-x',
        namespace: 'kube-system',
        ownerReferences: [
          { apiVersion: 'apps/v1', kind: 'DaemonSet', name: 'driver', uid: 'd', controller: true },
        ],
      },
    },
    { namespace: 'kube-system' },
  );
});

afterEach(async () => {
  await cluster[Symbol.asyncDispose]();
});

test('an object for each class whose pods choose the node, as external-provisioner writes it', async () => {
  await cluster.storageClass('fast', { parameters: { pool: 'ssd', 'csi.storage.k8s.io/fstype': 'xfs' } });
  await cluster.storageClass('now', { volumeBindingMode: 'Immediate' });
  const { provisioner } = cluster.start({ capacity: PLACE, random });
  await until('it is there', () => objects().length === 1);
  expect(objects()[0]).toMatchObject({
    metadata: {
      name: expect.stringMatching(/^csisc-[bcdfghjklmnpqrstvwxz2456789]{5}$/),
      namespace: 'kube-system',
      labels: {
        'csi.storage.k8s.io/drivername': DRIVER,
        'csi.storage.k8s.io/managed-by': 'external-provisioner-a',
      },
      ownerReferences: [
        { apiVersion: 'apps/v1', kind: 'DaemonSet', name: 'driver', uid: 'd', controller: true },
      ],
    },
    storageClassName: 'fast',
    nodeTopology: { matchLabels: { [KEY]: 'a' } },
    capacity: '10Gi',
    maximumVolumeSize: '10Gi',
  });
  expect(cluster.driver.requests('getCapacity')[0]).toEqual({
    parameters: { pool: 'ssd' },
    accessibleTopology: { segments: { [KEY]: 'a' } },
  });
  const { rooms } = JSON.parse(JSON.stringify(provisioner.status)) as typeof provisioner.status;
  expect(rooms).toEqual([{ className: 'fast', available: 10 * 2 ** 30 }]);
});

test('follows what is made, what others write to the disk, and classes', async () => {
  await cluster.storageClass('fast');
  const { provisioner } = cluster.start({ capacity: PLACE, random });
  await until('it is there', () => objects().length === 1);
  await provisioner.idle();
  await cluster.claim('data', 'a');
  await until('the volume is there', () => cluster.volumes().length === 1);
  await provisioner.idle();
  cluster.clock.advance(1000);
  await until('it is told', () => objects()[0]?.capacity === '9Gi');
  await provisioner.idle();
  cluster.driver.capacity = 3n << 30n;
  cluster.clock.advance(60_000);
  await until('it is told', () => objects()[0]?.capacity === '2Gi');
  await provisioner.idle();
  await cluster.client.delete(STORAGE_CLASSES, { name: 'fast' });
  await expect
    .poll(() => {
      cluster.clock.advance(1000);
      return objects().length;
    })
    .toBe(0);
});

test('takes over what another process left: keeps one, removes what is stale', async () => {
  await cluster.storageClass('fast');
  const labels = {
    'csi.storage.k8s.io/drivername': DRIVER,
    'csi.storage.k8s.io/managed-by': 'external-provisioner-a',
  };
  const left = (name: string, storageClassName: string, more: object = {}): Promise<unknown> =>
    cluster.client.create(
      CAPACITIES,
      {
        metadata: { name, namespace: 'kube-system', labels },
        storageClassName,
        nodeTopology: { matchLabels: { [KEY]: 'a' } },
        capacity: '1Gi',
        ...more,
      },
      { namespace: 'kube-system' },
    );
  await left('csisc-1', 'fast');
  await left('csisc-2', 'fast');
  await left('csisc-3', 'gone');
  await left('csisc-4', 'fast', { metadata: { name: 'csisc-4', namespace: 'kube-system', labels: {} } });
  cluster.start({ capacity: PLACE, random });
  await until('the others are gone', () => objects().length === 2);
  expect(objects()).toMatchObject([
    { metadata: { name: 'csisc-1', ownerReferences: [{ uid: 'd' }] }, capacity: '10Gi' },
    { metadata: { name: 'csisc-4' }, capacity: '1Gi' },
  ]);
});

test('a driver that does not answer leaves things as they are', async () => {
  await cluster.storageClass('fast');
  const { provisioner } = cluster.start({ capacity: PLACE, random });
  await until('it is there', () => objects().length === 1);
  await provisioner.idle();
  cluster.driver.fail({ call: 'getCapacity', code: 'UNAVAILABLE', times: 3 });
  cluster.clock.advance(60_000);
  await until('it was asked', () => cluster.driver.requests('getCapacity').length >= 2);
  await provisioner.idle();
  expect(objects()).toMatchObject([{ capacity: '10Gi' }]);
});

describe('a manager’s name', () => {
  test.each([
    ['a', 'external-provisioner-a'],
    ['n'.repeat(42), `external-provisioner-${'n'.repeat(42)}`],
    ['n'.repeat(43), `external-p-53f40b57-${'n'.repeat(43)}`],
  ])('%s', (node, expected) => {
    expect(managerName(node)).toBe(expected);
  });

  test('is a label whatever the node’s is', () => {
    expect(managerName('n'.repeat(200))).toMatch(/^external-provisioner-[0-9a-f]{8}$/);
  });
});
