import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  CLAIMS,
  SECRETS,
  SNAPSHOT_CONTENTS,
  SNAPSHOTS_ASKED,
  STORAGE_CLASSES,
  VOLUMES,
} from '../../../shared/kube/storage-resources.ts';
import { until } from '../../../shared/kube/testing/test-clock.ts';
import { ANNOTATION, FINALIZER } from './names.ts';
import { DRIVER, KEY, TestCluster } from './testing/cluster.ts';
import { FakeDriver } from './testing/fake-driver.ts';

let cluster: TestCluster;

beforeEach(() => {
  cluster = new TestCluster();
});

afterEach(async () => {
  await cluster[Symbol.asyncDispose]();
});

const CLAIM_PATH = 'api/v1/persistentvolumeclaims';
const at = (name: string): { namespace: string; name: string } => ({ namespace: 'default', name });

/** As in a class: what is to be filled in. */
const token = (name: string): string => ['$', `{${name}}`].join('');

describe('a claim whose node was selected', () => {
  test('gets its volume, as external-provisioner writes it', async () => {
    await cluster.client.create(
      SECRETS,
      {
        metadata: { name: 's-data', namespace: 'default' },
        data: { key: Buffer.from('x').toString('base64') },
      },
      { namespace: 'default' },
    );
    await cluster.storageClass('fast', {
      parameters: {
        pool: 'ssd',
        'csi.storage.k8s.io/fstype': 'xfs',
        'csi.storage.k8s.io/provisioner-secret-name': `s-${token('pvc.name')}`,
        'csi.storage.k8s.io/provisioner-secret-namespace': token('pvc.namespace'),
        'csi.storage.k8s.io/node-stage-secret-name': 'stage',
        'csi.storage.k8s.io/node-stage-secret-namespace': 'kube-system',
      },
      mountOptions: ['noatime'],
    });
    const claim = await cluster.claim('data', 'a');
    const name = `pvc-${claim.metadata.uid}`;
    cluster.start();
    await until('the volume is there', () => cluster.volumes().length === 1);
    expect(cluster.driver.requests('createVolume')).toEqual([
      {
        name,
        capacityRange: { requiredBytes: 1073741824n },
        volumeCapabilities: [{ mount: { fsType: 'xfs', mountFlags: ['noatime'] }, accessMode: { mode: 7 } }],
        parameters: {
          pool: 'ssd',
          'csi.storage.k8s.io/pvc/name': 'data',
          'csi.storage.k8s.io/pvc/namespace': 'default',
          'csi.storage.k8s.io/pv/name': name,
        },
        secrets: { key: 'x' },
        accessibilityRequirements: {
          requisite: [{ segments: { [KEY]: 'a' } }],
          preferred: [{ segments: { [KEY]: 'a' } }],
        },
      },
    ]);
    const [volume] = cluster.volumes();
    expect(volume).toMatchObject({
      metadata: {
        name,
        finalizers: ['external-provisioner.volume.kubernetes.io/finalizer'],
        annotations: {
          'pv.kubernetes.io/provisioned-by': DRIVER,
          'volume.kubernetes.io/provisioner-deletion-secret-name': 's-data',
          'volume.kubernetes.io/provisioner-deletion-secret-namespace': 'default',
        },
      },
      spec: {
        capacity: { storage: '1Gi' },
        accessModes: ['ReadWriteOnce'],
        mountOptions: ['noatime'],
        volumeMode: 'Filesystem',
        storageClassName: 'fast',
        persistentVolumeReclaimPolicy: 'Delete',
        claimRef: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', ...at('data'), uid: claim.metadata.uid },
        nodeAffinity: {
          required: {
            nodeSelectorTerms: [{ matchExpressions: [{ key: KEY, operator: 'In', values: ['a'] }] }],
          },
        },
        csi: {
          driver: DRIVER,
          volumeHandle: 'volume-1',
          fsType: 'xfs',
          nodeStageSecretRef: { name: 'stage', namespace: 'kube-system' },
          volumeAttributes: { pool: 'default' },
        },
      },
    });
    expect(volume?.spec.csi?.volumeAttributes?.['storage.kubernetes.io/csiProvisionerIdentity']).toMatch(
      /^\d+-\d+-local\.underpod\.io-a$/,
    );
    expect(await cluster.events()).toEqual([
      'Provisioning: External provisioner is provisioning volume for claim "default/data"',
      `ProvisioningSucceeded: Successfully provisioned volume ${name}`,
    ]);
    expect(cluster.journal.all.size).toBe(0);
  });

  test('of ReadWriteOncePod and block', async () => {
    await cluster.storageClass('fast');
    await cluster.claim('data', 'a', { accessModes: ['ReadWriteOncePod'], volumeMode: 'Block' });
    cluster.start();
    await until('the volume is there', () => cluster.volumes().length === 1);
    expect(cluster.driver.requests('createVolume')[0]).toMatchObject({
      volumeCapabilities: [{ block: {}, accessMode: { mode: 6 } }],
    });
    expect(cluster.volumes()[0]?.spec).toMatchObject({
      volumeMode: 'Block',
      accessModes: ['ReadWriteOncePod'],
    });
  });

  test.each([
    ['of another node', 'b', {}, {}],
    ['without a node', undefined, {}, {}],
    ['of another driver', 'a', {}, { annotations: { [ANNOTATION.storageProvisioner]: 'other' } }],
    ['that is bound', 'a', { volumeName: 'x' }, {}],
  ])('is left alone %s', async (_, node, spec, metadata) => {
    await cluster.storageClass('fast');
    await cluster.claim('left', node, spec, metadata);
    await cluster.claim('data', 'a');
    cluster.start();
    await until('the other one has its volume', () => cluster.volumes().length === 1);
    expect(cluster.driver.requests('createVolume')).toHaveLength(1);
  });

  test('waits for its class', async () => {
    await cluster.claim('data', 'a');
    const { provisioner } = cluster.start();
    await until('it waits', () => provisioner.status.claims.length === 1);
    expect(provisioner.status.claims).toEqual([
      { claim: 'default/data', why: 'storageClass "fast" not found' },
    ]);
    await cluster.storageClass('fast');
    await until('the volume is there', () => cluster.volumes().length === 1);
  });
});

test('a volume that somebody deleted before it was bound is made again', async () => {
  await cluster.storageClass('fast');
  await cluster.claim('data', 'a');
  const { provisioner } = cluster.start();
  await until('the volume is there', () => cluster.volumes().length === 1);
  await provisioner.idle();
  const name = cluster.volumes()[0]?.metadata.name ?? '';
  await cluster.client.patch(VOLUMES, 'merge', { metadata: { finalizers: null } }, { name });
  await cluster.client.delete(VOLUMES, { name });
  await until('it is there again', () => cluster.driver.requests('createVolume').length === 2);
  await until('its object is', () => cluster.volumes().length === 1);
  expect(cluster.driver.made).toBe(1);
});

describe('errors', () => {
  test('no room: another node is to be chosen', async () => {
    cluster.driver.capacity = 1024n;
    await cluster.storageClass('fast');
    await cluster.claim('data', 'a');
    cluster.start();
    const annotations = async (): Promise<object | undefined> =>
      (await cluster.client.get(CLAIMS, at('data'))).metadata.annotations;
    await until('it is tried', () => cluster.driver.requests('createVolume').length === 1);
    await expect.poll(annotations).toEqual({ [ANNOTATION.storageProvisioner]: DRIVER });
    expect(await cluster.events()).toContain(
      'ProvisioningFailed: rpc error: code = ResourceExhausted desc = no room',
    );
    expect(cluster.journal.all.size).toBe(0);
  });

  test('final: tried again later, and nothing is noted', async () => {
    cluster.driver.fail({ call: 'createVolume', code: 'NOT_FOUND' });
    await cluster.storageClass('fast');
    await cluster.claim('data', 'a');
    const { provisioner } = cluster.start();
    await until('it waits', () => provisioner.status.claims.length === 1);
    expect(cluster.journal.all.size).toBe(0);
    cluster.clock.advance(1000);
    await until('the volume is there', () => cluster.volumes().length === 1);
    expect(await cluster.events()).toContain(
      'ProvisioningFailed: rpc error: code = NotFound desc = as the test asked',
    );
  });

  test('infeasible: tried again rarely, or with another class', async () => {
    cluster.driver.fail({ call: 'createVolume', code: 'INVALID_ARGUMENT' });
    await cluster.storageClass('fast', { parameters: { pool: 'none' } });
    await cluster.claim('data', 'a');
    const { provisioner } = cluster.start();
    await until('it waits', () => provisioner.status.claims.length === 1);
    cluster.clock.advance(60_000);
    await provisioner.idle();
    expect(cluster.driver.requests('createVolume')).toHaveLength(1);
    await cluster.client.delete(STORAGE_CLASSES, { name: 'fast' });
    await cluster.storageClass('fast');
    await until('the volume is there', () => cluster.volumes().length === 1);
  });

  test('a key of the reserved prefix that means nothing', async () => {
    await cluster.storageClass('fast', { parameters: { 'csi.storage.k8s.io/typo': '1' } });
    await cluster.claim('data', 'a');
    const { provisioner } = cluster.start();
    await until('it waits', () => provisioner.status.claims.length === 1);
    expect(await cluster.events()).toContain(
      'ProvisioningFailed: found unknown parameter key "csi.storage.k8s.io/typo" with reserved namespace csi.storage.k8s.io/',
    );
    expect(cluster.driver.seen).toEqual([]);
  });

  test('a secret that is not there', async () => {
    await cluster.storageClass('fast', {
      parameters: {
        'csi.storage.k8s.io/provisioner-secret-name': 'none',
        'csi.storage.k8s.io/provisioner-secret-namespace': 'default',
      },
    });
    await cluster.claim('data', 'a');
    const { provisioner } = cluster.start();
    await until('it waits', () => provisioner.status.claims.length === 1);
    expect((await cluster.events()).join()).toContain('ProvisioningFailed: GET');
    expect(cluster.driver.seen).toEqual([]);
    await cluster.client.create(
      SECRETS,
      { metadata: { name: 'none', namespace: 'default' } },
      { namespace: 'default' },
    );
    cluster.clock.advance(1000);
    await until('the volume is there', () => cluster.volumes().length === 1);
  });

  test('a volume smaller than asked for is taken back', async () => {
    await cluster.storageClass('fast');
    const { driver } = cluster;
    const small: typeof driver.calls = {
      ...driver.calls,
      createVolume: async (request, signal) => {
        const answer = await driver.calls.createVolume(request, signal);
        return answer.volume ? { volume: { ...answer.volume, capacityBytes: 5n } } : answer;
      },
    };
    await cluster.claim('data', 'a');
    const { provisioner } = cluster.start({ calls: small });
    await until('it waits', () => provisioner.status.claims.length === 1);
    expect(driver.volumes.size).toBe(0);
    expect(await cluster.events()).toContain(
      'ProvisioningFailed: created volume capacity 5 less than requested capacity 1073741824',
    );
  });
});

describe('never lost', () => {
  test('a claim that is deleted after an answer was lost', async () => {
    cluster.driver.fail({ call: 'createVolume', code: 'DEADLINE_EXCEEDED', after: true });
    await cluster.storageClass('fast');
    await cluster.claim('data', 'a');
    const first = cluster.start();
    await until('it waits', () => first.provisioner.status.claims.length === 1);
    expect(cluster.driver.volumes.size).toBe(1);
    expect(first.provisioner.status.begun).toBe(1);
    // Not even by a new process.
    await first.kill();
    await cluster.client.delete(CLAIMS, at('data'));
    cluster.start();
    await until('the volume is gone', () => cluster.driver.volumes.size === 0);
    await until('nothing is noted', () => cluster.journal.all.size === 0);
    expect(cluster.volumes()).toEqual([]);
  });

  test('the same while the process runs', async () => {
    cluster.driver.fail({ call: 'createVolume', code: 'INTERNAL', after: true });
    await cluster.storageClass('fast');
    await cluster.claim('data', 'a');
    const { provisioner } = cluster.start();
    await until('it waits', () => provisioner.status.claims.length === 1);
    await cluster.client.delete(CLAIMS, at('data'));
    await until('the volume is gone', () => cluster.driver.volumes.size === 0);
    await until('nothing is noted', () => cluster.journal.all.size === 0);
  });

  test('of a class that retains, it becomes a volume all the same', async () => {
    cluster.driver.fail({ call: 'createVolume', code: 'ABORTED', after: true });
    await cluster.storageClass('fast', { reclaimPolicy: 'Retain' });
    await cluster.claim('data', 'a');
    const { provisioner } = cluster.start();
    await until('it waits', () => provisioner.status.claims.length === 1);
    await cluster.client.delete(CLAIMS, at('data'));
    await until('the volume is there', () => cluster.volumes().length === 1);
    expect(cluster.driver.volumes.size).toBe(1);
    await until('nothing is noted', () => cluster.journal.all.size === 0);
  });

  test('killed in the middle of the call, and between it and its PersistentVolume', async () => {
    cluster.driver.fail({ call: 'createVolume', code: 'CANCELLED', hang: true });
    await cluster.storageClass('fast');
    await cluster.claim('data', 'a');
    const first = cluster.start();
    await until('it is called', () => cluster.driver.requests('createVolume').length === 1);
    await first.kill();
    const fault = cluster.server.inject({
      when: ({ method, path }) => method === 'POST' && path.endsWith('/persistentvolumes'),
      answer: { code: 500 },
    });
    const second = cluster.start();
    await until('it waits', () => second.provisioner.status.claims.length === 1);
    expect(cluster.driver.volumes.size).toBe(1);
    await second.kill();
    fault[Symbol.dispose]();
    cluster.start();
    await until('the volume is there', () => cluster.volumes().length === 1);
    expect(cluster.driver.volumes.size).toBe(1);
    await until('nothing is noted', () => cluster.journal.all.size === 0);
  });

  test('a note of a volume that was handed over is no reason to touch it', async () => {
    await cluster.storageClass('fast');
    const claim = await cluster.claim('data', 'a');
    const storageClass = await cluster.client.get(STORAGE_CLASSES, { name: 'fast' });
    const first = cluster.start();
    await until('the volume is there', () => cluster.volumes().length === 1);
    await first.kill();
    const name = `pvc-${claim.metadata.uid}`;
    cluster.journal.put({ claim, storageClass, request: { name } });
    await cluster.client.delete(CLAIMS, at('data'));
    cluster.start();
    await until('nothing is noted', () => cluster.journal.all.size === 0);
    expect(cluster.driver.volumes.size).toBe(1);
  });
});

describe('claims that bind at once', () => {
  test('are taken by one of the nodes that have room', async () => {
    await cluster.storageClass('fast', { volumeBindingMode: 'Immediate' });
    const full = new FakeDriver({ capacity: 10n });
    const other = new FakeDriver({ segments: { [KEY]: 'c' } });
    cluster.start();
    cluster.start({ node: { name: 'b', segments: { [KEY]: 'b' } }, calls: full.calls });
    cluster.start({ node: { name: 'c', segments: { [KEY]: 'c' } }, calls: other.calls });
    await cluster.claim('data', undefined);
    await until('all have looked', () =>
      [cluster.driver, full, other].every(({ seen }) => seen.some(({ call }) => call === 'getCapacity')),
    );
    await until('all wait', () => cluster.clock.timers.filter((ms) => ms <= 60_000).length >= 3);
    cluster.clock.advance(2000);
    await until('the volume is there', () => cluster.volumes().length === 1);
    await cluster.events();
    expect(cluster.driver.volumes.size + other.volumes.size).toBe(1);
    expect(full.volumes.size).toBe(0);
  });

  test('are given back when there was no room after all', async () => {
    cluster.driver.fail({ call: 'createVolume', code: 'RESOURCE_EXHAUSTED' });
    await cluster.storageClass('fast', { volumeBindingMode: 'Immediate' });
    await cluster.claim('data', 'a');
    cluster.start();
    await until('it is tried', () => cluster.driver.requests('createVolume').length === 1);
    await expect
      .poll(async () => {
        cluster.clock.advance(1000);
        return cluster.volumes().length;
      })
      .toBe(1);
  });
});

describe('sources', () => {
  test('a clone', async () => {
    await cluster.storageClass('fast');
    await cluster.claim('data', 'a');
    cluster.start();
    await until('the volume is there', () => cluster.volumes().length === 1);
    await cluster.bind('data');
    await cluster.claim('copy', 'a', { dataSource: { kind: 'PersistentVolumeClaim', name: 'data' } });
    await until('the clone is there', () => cluster.volumes().length === 2);
    expect(cluster.driver.requests('createVolume')[1]).toMatchObject({
      volumeContentSource: { volume: { volumeId: 'volume-1' } },
    });
    const source = await cluster.client.get(CLAIMS, at('data'));
    expect(source.metadata.finalizers).toEqual([FINALIZER.clone]);
    // The source goes once the clone is bound.
    await cluster.client.delete(CLAIMS, at('data'));
    await cluster.events();
    expect((await cluster.client.get(CLAIMS, at('data'))).metadata.deletionTimestamp).toBeDefined();
    await cluster.bind('copy');
    await until('it is gone', () => cluster.server.store.all(CLAIM_PATH).length === 1);
  });

  test('a clone of a claim whose volume is on another node goes there', async () => {
    await cluster.storageClass('fast');
    const there = new FakeDriver({ segments: { [KEY]: 'b' } });
    cluster.start({ node: { name: 'b', segments: { [KEY]: 'b' } }, calls: there.calls });
    cluster.start();
    await cluster.claim('data', 'b');
    await until('the volume is there', () => cluster.volumes().length === 1);
    await cluster.bind('data');
    await cluster.claim('copy', 'a', { dataSource: { kind: 'PersistentVolumeClaim', name: 'data' } });
    await expect
      .poll(async () => (await cluster.client.get(CLAIMS, at('copy'))).metadata.annotations)
      .not.toHaveProperty([ANNOTATION.selectedNode]);
    expect(cluster.driver.volumes.size).toBe(0);
    // The node that has the data makes it, without a scheduler who would not know.
    await until('the clone is there', () => there.volumes.size === 2);
  });

  test('a claim that waits for its first pod is made at once where its source is, and nowhere else', async () => {
    await cluster.storageClass('fast');
    const there = new FakeDriver({ segments: { [KEY]: 'b' } });
    cluster.start({ node: { name: 'b', segments: { [KEY]: 'b' } }, calls: there.calls });
    cluster.start();
    await cluster.claim('data', 'b');
    await until('the volume is there', () => cluster.volumes().length === 1);
    await cluster.claim('copy', '', { dataSource: { kind: 'PersistentVolumeClaim', name: 'data' } });
    // Its source is not bound yet.
    await cluster.claim('other', '');
    await cluster.bind('data');
    await until('the clone is there', () => {
      cluster.clock.advance(1000);
      return cluster.volumes().length === 2;
    });
    expect(there.volumes.size).toBe(2);
    expect(cluster.driver.volumes.size).toBe(0);
  });

  test('a clone for which its node has no room waits for that', async () => {
    await cluster.storageClass('fast');
    await cluster.claim('data', 'a');
    const { provisioner } = cluster.start();
    await until('the volume is there', () => cluster.volumes().length === 1);
    await cluster.bind('data');
    cluster.driver.capacity = 1n << 30n;
    await cluster.claim('copy', '', { dataSource: { kind: 'PersistentVolumeClaim', name: 'data' } });
    await until('it waits', () => provisioner.status.claims.length === 1);
    await provisioner.idle();
    expect(provisioner.status.claims[0]?.why).toBe('the node that has its source has no room for it');
    cluster.driver.capacity = 2n << 30n;
    cluster.clock.advance(60_000);
    await until('the clone is there', () => cluster.volumes().length === 2);
  });

  describe('a snapshot', () => {
    beforeEach(async () => {
      await cluster.storageClass('fast');
      await cluster.claim('data', 'a');
      cluster.start();
      await until('the volume is there', () => cluster.volumes().length === 1);
      const { createSnapshot } = cluster.driver.calls;
      await createSnapshot?.({ name: 's', sourceVolumeId: 'volume-1' }, new AbortController().signal);
      const snapshot = await cluster.client.create(
        SNAPSHOTS_ASKED,
        {
          metadata: at('snap'),
          status: { boundVolumeSnapshotContentName: 'content', readyToUse: true, restoreSize: '1Gi' },
        },
        { namespace: 'default' },
      );
      await cluster.client.create(SNAPSHOT_CONTENTS, {
        metadata: { name: 'content' },
        spec: {
          driver: DRIVER,
          deletionPolicy: 'Delete',
          volumeSnapshotRef: { ...at('snap'), uid: snapshot.metadata.uid ?? '' },
          source: { volumeHandle: 'volume-1' },
        },
        status: { snapshotHandle: 'snapshot-of-s', readyToUse: true },
      });
    });

    const dataSource = { apiGroup: 'snapshot.storage.k8s.io', kind: 'VolumeSnapshot', name: 'snap' };
    const finalizers = async (): Promise<readonly string[] | undefined> =>
      (await cluster.client.get(SNAPSHOTS_ASKED, at('snap'))).metadata.finalizers;

    test('is restored', async () => {
      await cluster.claim('back', 'a', { dataSource });
      await until('the volume is there', () => cluster.volumes().length === 2);
      expect(cluster.driver.requests('createVolume')[1]).toMatchObject({
        volumeContentSource: { snapshot: { snapshotId: 'snapshot-of-s' } },
      });
      await expect.poll(finalizers).toEqual([]);
    });

    test('is kept while it may be restored, and not when the claim is gone', async () => {
      cluster.driver.fail({ call: 'createVolume', code: 'NOT_FOUND' });
      await cluster.claim('back', 'a', { dataSource });
      await expect.poll(finalizers).toEqual([FINALIZER.snapshotSource]);
      await cluster.client.delete(CLAIMS, at('back'));
      await expect.poll(finalizers).toEqual([]);
      expect(cluster.driver.volumes.size).toBe(1);
      expect(cluster.driver.requests('createVolume')).toHaveLength(2);
    });

    test('that is too large', async () => {
      await cluster.claim('back', 'a', { dataSource, resources: { requests: { storage: '1Mi' } } });
      await expect
        .poll(() => cluster.events())
        .toContain(
          'ProvisioningFailed: requested volume size 1048576 is less than the size 1073741824 for the source snapshot snap',
        );
    });
  });

  test('whoever else fills it', async () => {
    await cluster.storageClass('fast');
    await cluster.claim('data', 'a', { dataSourceRef: { apiGroup: 'x.io', kind: 'Backup', name: 'b' } });
    cluster.start();
    await expect
      .poll(() => cluster.events())
      .toEqual(['Provisioning: Assuming an external populator will provision the volume']);
    expect(cluster.driver.seen).toEqual([]);
  });
});

describe('the control plane', () => {
  test('is away: everything waits, and is said once', async () => {
    await cluster.storageClass('fast');
    const { provisioner } = cluster.start();
    await until('it has begun', () => cluster.server.watches.size >= 4);
    await cluster.server.stop();
    await until('it is seen', () => !provisioner.status.reachable);
    cluster.server.start();
    await cluster.claim('data', 'a');
    await expect
      .poll(() => {
        cluster.clock.advance(30_000);
        return cluster.volumes().length;
      })
      .toBe(1);
    await until('it is seen', () => provisioner.status.reachable);
    expect(cluster.log.filter((line) => line.includes('does not answer'))).toHaveLength(1);
    expect(cluster.log.filter((line) => line.includes('answers again'))).toHaveLength(1);
  });

  test('has trouble with snapshots only: those wait', async () => {
    cluster.server.inject({
      when: ({ path }) => path.includes('/snapshot.storage.k8s.io/'),
      answer: { code: 500 },
    });
    await cluster.storageClass('fast');
    await cluster.claim('data', 'a');
    const { provisioner } = cluster.start();
    await until('the volume is there', () => cluster.volumes().length === 1);
    await until('it is told', () => provisioner.status.problems.length === 1);
    expect(provisioner.status).toMatchObject({
      reachable: true,
      problems: [{ kind: 'volumesnapshotcontents' }],
    });
    cluster.clock.advance(30_000);
    expect(cluster.log.filter((line) => line.includes('volumesnapshotcontents cannot be read'))).toHaveLength(
      1,
    );
  });
});

describe('deletion', () => {
  test('of a released volume, with its object', async () => {
    await cluster.storageClass('fast');
    await cluster.claim('data', 'a');
    cluster.start();
    await until('the volume is there', () => cluster.volumes().length === 1);
    const volume = await cluster.bind('data');
    cluster.driver.fail({ call: 'deleteVolume', code: 'FAILED_PRECONDITION' });
    await cluster.client.delete(CLAIMS, at('data'));
    await cluster.phase(volume.metadata.name, 'Released');
    await until('it was tried', () => cluster.driver.requests('deleteVolume').length === 1);
    expect(await cluster.events()).toContain(
      'VolumeFailedDelete: rpc error: code = FailedPrecondition desc = as the test asked',
    );
    expect(cluster.driver.volumes.size).toBe(1);
    cluster.clock.advance(1000);
    await until('both are gone', () => cluster.volumes().length === 0 && cluster.driver.volumes.size === 0);
  });

  test('killed between the driver and the object', async () => {
    await cluster.storageClass('fast');
    await cluster.claim('data', 'a');
    const first = cluster.start();
    await until('the volume is there', () => cluster.volumes().length === 1);
    const volume = await cluster.bind('data');
    const fault = cluster.server.inject({
      when: ({ method, path }) => method === 'DELETE' && path.includes('/persistentvolumes/'),
      answer: 'hang',
    });
    await cluster.phase(volume.metadata.name, 'Released');
    await until('the driver has deleted', () => cluster.driver.volumes.size === 0);
    await first.kill();
    fault[Symbol.dispose]();
    cluster.start();
    await until('the object is gone', () => cluster.volumes().length === 0);
  });

  test.each([
    ['another node', { nodeAffinity: { required: { nodeSelectorTerms: [] } } }],
    ['a policy that retains', { persistentVolumeReclaimPolicy: 'Retain' }],
  ])('not of %s', async (_, change) => {
    await cluster.storageClass('fast');
    await cluster.claim('data', 'a');
    cluster.start();
    await until('the volume is there', () => cluster.volumes().length === 1);
    const { metadata } = await cluster.bind('data');
    await cluster.client.patch(VOLUMES, 'merge', { spec: change }, { name: metadata.name });
    await cluster.phase(metadata.name, 'Released');
    await cluster.claim('next', 'a');
    await until('another is there', () => cluster.volumes().length === 2);
    await cluster.events();
    expect(cluster.driver.requests('deleteVolume')).toEqual([]);
  });
});
