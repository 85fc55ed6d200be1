/**
 * The standard sidecars and this provisioner do the same for the same objects, and go on with what the other left: with a real
 * control plane, and one fake driver that both ask.
 */

import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Sidecar, sidecar, sidecarsMissing } from '../../../conformance/sidecars/programs.ts';
import { TestDaemon } from '../../../conformance/testing/daemon.ts';
import { freshNetns, TemporaryDirectory } from '../../../conformance/testing/netns.ts';
import {
  CAPACITIES,
  SNAPSHOT_CLASSES,
  SNAPSHOT_CONTENTS,
  VOLUMES,
} from '../../../shared/kube/storage-resources.ts';
import type { CsiStorageCapacity, PersistentVolume } from '../../../shared/kube/storage-types.ts';
import { DRIVER, KEY } from './testing/cluster.ts';
import { FakeDriver } from './testing/fake-driver.ts';
import { RealCluster, realClusterMissing } from './testing/real-cluster.ts';
import { serveFake } from './testing/served-driver.ts';

const missing = realClusterMissing() ?? sidecarsMissing();
if (missing !== undefined) process.stderr.write(`skipped: the standard sidecars: ${missing}\n`);

const FLAGS: Readonly<Record<Sidecar, readonly string[]>> = {
  'csi-provisioner': [
    ...['--node-deployment', '--strict-topology', '--immediate-topology=false', '--extra-create-metadata'],
    ...['--enable-capacity', '--capacity-ownerref-level=-1', '--node-deployment-base-delay=1s'],
    '--retry-interval-start=200ms',
  ],
  'csi-resizer': ['--retry-interval-start=200ms'],
  'csi-snapshotter': ['--extra-create-metadata', '--retry-interval-start=200ms'],
};

describe.skipIf(missing !== undefined || !freshNetns())('the standard sidecars', () => {
  const directory = new TemporaryDirectory();
  const driver = new FakeDriver({ segments: { [KEY]: 'a' }, capacity: 100n << 30n });
  const socket = `${directory.path}/csi.sock`;
  let cluster: RealCluster;
  let served: AsyncDisposable;
  let ended: () => Promise<void>;
  let sidecars: TestDaemon[] = [];

  const ours = (): void => {
    ended = cluster.provision('a', driver);
  };
  const theirs = async (): Promise<void> => {
    const { plane } = cluster;
    const config = plane.kubeconfig('sidecars', plane.clientCertificate('sidecars', 'system:masters'));
    sidecars = (Object.keys(FLAGS) as Sidecar[]).map((name) => {
      return new TestDaemon({
        name,
        command: [sidecar(name), `--csi-address=${socket}`, `--kubeconfig=${config}`, '-v=5', ...FLAGS[name]],
        env: { NODE_NAME: 'a', NAMESPACE: 'kube-system', POD_NAME: 'driver-a' },
        log: `${directory.path}/${name}.log`,
        startLimitMs: 10_000,
        ready: async () => undefined,
      });
    });
    for (const each of sidecars) await each.start();
    ended = async () => {
      for (const each of sidecars) await each.kill();
    };
  };

  beforeAll(async () => {
    cluster = await RealCluster.start(directory.path);
    served = await serveFake(driver, 'a', socket);
    const secrets = {
      'csi.storage.k8s.io/node-stage-secret-name': 's',
      'csi.storage.k8s.io/node-stage-secret-namespace': 'n',
    };
    await cluster.storageClass('late', 'WaitForFirstConsumer', {
      'csi.storage.k8s.io/fstype': 'xfs',
      ...secrets,
    });
    await cluster.create(SNAPSHOT_CLASSES, {
      apiVersion: 'snapshot.storage.k8s.io/v1',
      kind: 'VolumeSnapshotClass',
      metadata: { name: 'snap' },
      driver: DRIVER,
      deletionPolicy: 'Delete',
    });
    await cluster.createNode('a');
  }, 240_000);

  afterAll(async () => {
    await ended?.();
    await served?.[Symbol.asyncDispose]();
    await cluster?.[Symbol.asyncDispose]();
    directory[Symbol.dispose]();
  }, 60_000);

  /** A claim's volume, made by whoever runs, without what differs between any two. */
  async function made(name: string): Promise<unknown> {
    await cluster.claim(name, 'late', { volumeMode: 'Filesystem' });
    await cluster.pod(`of-${name}`, name);
    await cluster.bound(name);
    const { spec } = await cluster.claimOf(name);
    return stripped(await cluster.client.get(VOLUMES, { name: spec?.volumeName ?? '' }));
  }

  const requests = (call: keyof FakeDriver['calls']): unknown[] =>
    driver
      .requests(call)
      .map((each) =>
        JSON.parse(
          JSON.stringify(each, (_, value: unknown) => (typeof value === 'bigint' ? Number(value) : value)),
        ),
      );

  /** What was said of a claim by whoever made its volume. */
  async function events(name: string): Promise<unknown> {
    interface Said {
      readonly involvedObject: { readonly kind: string; readonly name: string };
      readonly type: string;
      readonly reason: string;
      readonly message: string;
      readonly source: { readonly component: string };
    }
    const { items } = await cluster.plane.admin.get<{ items: Said[] }>('/api/v1/namespaces/default/events');
    return items
      .filter(
        ({ involvedObject, source }) =>
          involvedObject.name === name && !/controller|sched|volume_expand/.test(source.component),
      )
      .map(({ involvedObject: { kind }, type, reason, message }) => normal({ kind, type, reason, message }))
      .sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  }

  async function grow(name: string): Promise<void> {
    await cluster.changeClaim(name, { resources: { requests: { storage: '2Gi' } } });
    await cluster.soon('the node is next', async () => {
      const { status } = await cluster.claimOf(name);
      return status?.allocatedResourceStatuses?.['storage'] === 'NodeResizePending';
    });
  }

  async function snapshot(name: string, claim: string): Promise<unknown> {
    const { spec } = await cluster.claimOf(claim);
    const volume = await cluster.client.get(VOLUMES, { name: spec?.volumeName ?? '' });
    await cluster.create(SNAPSHOT_CONTENTS, {
      apiVersion: 'snapshot.storage.k8s.io/v1',
      kind: 'VolumeSnapshotContent',
      metadata: {
        name,
        finalizers: ['snapshot.storage.kubernetes.io/volumesnapshotcontent-bound-protection'],
      },
      spec: {
        driver: DRIVER,
        deletionPolicy: 'Delete',
        volumeSnapshotClassName: 'snap',
        volumeSnapshotRef: { namespace: 'default', name, uid: name },
        source: { volumeHandle: volume.spec.csi?.volumeHandle },
      },
    });
    await cluster.soon('it is ready', async () => {
      const { status, metadata } = await cluster.client.get(SNAPSHOT_CONTENTS, { name });
      return status?.readyToUse === true && !Object.keys(metadata.annotations ?? {}).length;
    });
    const { status } = await cluster.client.get(SNAPSHOT_CONTENTS, { name });
    return { ...status, snapshotHandle: '' };
  }

  async function remove(claim: string, content: string): Promise<void> {
    const path = `/apis/snapshot.storage.k8s.io/v1/volumesnapshotcontents/${content}`;
    const annotations = { 'snapshot.storage.kubernetes.io/volumesnapshot-being-deleted': 'yes' };
    await cluster.plane.admin.patch(path, { metadata: { annotations } }, 'merge');
    await cluster.plane.admin.delete(path);
    await cluster.soon('the snapshot is gone', () => cluster.gone(path));
    const { spec } = await cluster.claimOf(claim);
    await cluster.plane.admin.delete(`/api/v1/namespaces/default/pods/of-${claim}?gracePeriodSeconds=0`);
    await cluster.plane.admin.delete(`/api/v1/namespaces/default/persistentvolumeclaims/${claim}`);
    await cluster.soon('the volume is gone', () =>
      cluster.gone(`/api/v1/persistentvolumes/${spec?.volumeName}`),
    );
  }

  const told = async (): Promise<unknown> => {
    const { items } = await cluster.client.list(CAPACITIES, (each) => each);
    expect(items).toHaveLength(1);
    return room(items[0]);
  };

  const found: Record<string, unknown> = {};

  test('ours makes, grows, and takes a snapshot', async () => {
    ours();
    await cluster.soon('the room is told', async () => (await told()) !== undefined);
    found['room'] = await told();
    found['volume'] = await made('first');
    await grow('first');
    found['claim'] = resized(await cluster.claimOf('first'));
    found['snapshot'] = await snapshot('first', 'first');
    await ended();
  }, 120_000);

  test('theirs take over, do the same in the same words, and delete what ours made', async () => {
    await theirs();
    expect(await made('second')).toEqual(found['volume']);
    await grow('second');
    expect(resized(await cluster.claimOf('second'))).toEqual(found['claim']);
    expect(await snapshot('second', 'second')).toEqual(found['snapshot']);
    for (const call of ['createVolume', 'controllerExpandVolume', 'createSnapshot'] as const) {
      const [first, second] = requests(call).slice(-2);
      expect(normal(second)).toEqual(normal(first));
    }
    const said = await events('first');
    expect(said).toMatchObject([{ reason: 'FileSystemResizeRequired' }, {}, {}, { reason: 'Resizing' }]);
    expect(await events('second')).toEqual(said);
    await remove('first', 'first');
    // It was them.
    const logOf = (name: Sidecar): string => readFileSync(`${directory.path}/${name}.log`, 'utf8');
    expect(logOf('csi-provisioner')).toContain('successfully created PV');
    expect(logOf('csi-resizer')).toContain('Resize volume succeeded');
    expect(logOf('csi-snapshotter')).toContain('deleteCSISnapshotOperation');
    // Their first object is ours, taken over.
    expect(await told()).toMatchObject({ nodeTopology: { matchLabels: { [KEY]: 'a' } } });
    await ended();
  }, 180_000);

  test('ours take over again, and delete what theirs made', async () => {
    ours();
    await remove('second', 'second');
    await cluster.soon('nothing is left', async () => driver.volumes.size + driver.snapshots.size === 0);
    await cluster.soon('the room is told', async () => {
      const { items } = await cluster.client.list(CAPACITIES, ({ capacity }) => capacity);
      return items.length === 1 && items[0] === '100Gi';
    });
    expect(await told()).toEqual(found['room']);
  }, 120_000);
});

/** Without names, uids, versions and times. */
function stripped({ metadata, spec, status }: PersistentVolume): unknown {
  const { csi, claimRef, ...rest } = spec;
  const { volumeHandle: _, volumeAttributes = {}, ...source } = csi ?? { volumeHandle: '', driver: '' };
  return {
    annotations: metadata.annotations,
    finalizers: metadata.finalizers,
    spec: {
      ...rest,
      csi: {
        ...source,
        volumeAttributes: { ...volumeAttributes, 'storage.kubernetes.io/csiProvisionerIdentity': '' },
      },
      claimRef: { ...claimRef, name: '', uid: '', resourceVersion: '' },
    },
    phase: status?.phase,
  };
}

function resized({ metadata, status }: Awaited<ReturnType<RealCluster['claimOf']>>): unknown {
  const conditions = (status?.conditions ?? []).map(({ lastTransitionTime: _, ...each }) => each);
  return {
    annotations: metadata.annotations,
    finalizers: metadata.finalizers,
    status: { ...status, conditions },
  };
}

function room(object: CsiStorageCapacity | undefined): unknown {
  const { metadata, ...rest } = object ?? { metadata: { name: '' } };
  return { ...rest, labels: metadata.labels, owners: metadata.ownerReferences };
}

/** A request without what names the one or the other; empty is as good as absent. */
function normal(request: unknown): unknown {
  const text = JSON.stringify(request, (_, value: unknown) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      return value === '' ? undefined : value;
    const entries = Object.entries(value).filter(
      ([, each]) =>
        !(typeof each === 'object' && each !== null && Object.keys(each).length === 0) && each !== 0,
    );
    return Object.fromEntries(entries);
  });
  return JSON.parse(text.replaceAll(/pvc-[0-9a-f-]{36}|volume-\d+|first|second/g, '_'));
}
