/**
 * The provisioner with the real API server, its real controllers of volumes and the real scheduler, with the rights that its
 * manifest gives it. The driver is a fake: its volumes are not what is tried here.
 */

import { mkdirSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ControlPlane, controlPlaneMissing } from '../../../conformance/kubernetes/control-plane.ts';
import { kubernetesMissing, kubernetesProgram } from '../../../conformance/kubernetes/programs.ts';
import { TestDaemon } from '../../../conformance/testing/daemon.ts';
import { freshNetns, TemporaryDirectory } from '../../../conformance/testing/netns.ts';
import { inClusterAccess } from '../../../shared/kube/access/in-cluster.ts';
import { KubeClient } from '../../../shared/kube/client.ts';
import { systemClock } from '../../../shared/kube/clock.ts';
import type { Resource } from '../../../shared/kube/resource.ts';
import {
  ATTRIBUTES_CLASSES,
  CAPACITIES,
  CLAIMS,
  EVENTS,
  groupClasses,
  groupContents,
  SNAPSHOT_CLASSES,
  SNAPSHOT_CONTENTS,
  SNAPSHOTS_ASKED,
  STORAGE_CLASSES,
  VOLUMES,
} from '../../../shared/kube/storage-resources.ts';
import type { ApiObject } from '../../../shared/kube/types.ts';
import { createLogger } from '../../../shared/log/logger.ts';
import { MemoryJournal } from './journal.ts';
import { Provisioner } from './provisioner.ts';
import { FakeDriver } from './testing/fake-driver.ts';

const missing = controlPlaneMissing() ?? kubernetesMissing('kube-controller-manager', 'kube-scheduler');
if (missing !== undefined) process.stderr.write(`skipped: provisioning with a real API server: ${missing}\n`);

const DRIVER = 'local.underpod.io';
const KEY = 'local.underpod.io/node';
const GI = 1n << 30n;

interface NodeOfTest {
  readonly driver: FakeDriver;
  readonly stop: AbortController;
  readonly done: Promise<void>;
}

describe.skipIf(missing !== undefined || !freshNetns())('with a real control plane', () => {
  const directory = new TemporaryDirectory();
  const log: string[] = [];
  const nodes = new Map<string, NodeOfTest>();
  const daemons: TestDaemon[] = [];
  let plane: ControlPlane;
  let client: KubeClient;

  beforeAll(async () => {
    plane = await ControlPlane.start({ directory: directory.path });
    const storage = ['binder', 'expander', 'protection'].map((name) => `persistentvolume-${name}-controller`);
    daemons.push(
      daemon(
        'kube-controller-manager',
        `--controllers=${storage.join(',')},persistentvolumeclaim-protection-controller`,
      ),
      daemon('kube-scheduler'),
    );
    for (const each of daemons) await each.start();
    await plane.apply('csi/local/deploy/base/rbac.yaml');
    await plane.admin.ensure('/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } });
    await plane.admin.post('/apis/storage.k8s.io/v1/csidrivers', {
      metadata: { name: DRIVER },
      spec: { attachRequired: false, podInfoOnMount: true, storageCapacity: true },
    });
    for (const kind of ['VolumeSnapshotContent', 'VolumeSnapshotClass', 'VolumeSnapshot'])
      await define('snapshot.storage.k8s.io', kind, kind === 'VolumeSnapshot' ? 'Namespaced' : 'Cluster');
    for (const kind of ['VolumeGroupSnapshotContent', 'VolumeGroupSnapshotClass'])
      await define('groupsnapshot.storage.k8s.io', kind, 'Cluster');
    mkdirSync(`${directory.path}/account`);
    writeFileSync(`${directory.path}/account/token`, await plane.token('kube-system', 'underpod-csi-local'));
    writeFileSync(`${directory.path}/account/ca.crt`, plane.authority.cert);
    client = new KubeClient({
      access: inClusterAccess({ environment: {}, server: plane.url, directory: `${directory.path}/account` }),
      clock: systemClock,
      userAgent: 'test',
    });
    await create(STORAGE_CLASSES, { ...storageClass('late'), volumeBindingMode: 'WaitForFirstConsumer' });
    await create(STORAGE_CLASSES, { ...storageClass('now'), volumeBindingMode: 'Immediate' });
    await startNode('a', GI / 2n);
    await startNode('b', 100n * GI);
  }, 240_000);

  afterAll(async () => {
    for (const { stop, done } of nodes.values()) {
      stop.abort();
      await done;
    }
    for (const each of daemons) await each.kill();
    await plane?.[Symbol.asyncDispose]();
    directory[Symbol.dispose]();
  }, 60_000);

  function daemon(name: 'kube-controller-manager' | 'kube-scheduler', ...flags: string[]): TestDaemon {
    const port = name === 'kube-scheduler' ? 10259 : 10257;
    const config = plane.kubeconfig(name, plane.clientCertificate(name, 'system:masters'));
    return new TestDaemon({
      name,
      command: [
        kubernetesProgram(name),
        `--kubeconfig=${config}`,
        ...['--leader-elect=false', '--bind-address=127.0.0.1', `--secure-port=${port}`],
        ...flags,
      ],
      log: `${directory.path}/${name}.log`,
      startLimitMs: 30_000,
      ready: async () => {
        const options = { tls: { rejectUnauthorized: false } } as RequestInit;
        const response = await fetch(`https://127.0.0.1:${port}/healthz`, options);
        if (!response.ok) throw new Error(String(response.status));
      },
    });
  }

  /** As the CRDs of external-snapshotter define them, but for what fields there may be. */
  async function define(group: string, kind: string, scope: string): Promise<void> {
    const plural = `${kind.toLowerCase()}${kind.endsWith('Class') ? 'es' : 's'}`;
    const openAPIV3Schema = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
    await plane.admin.post('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', {
      metadata: {
        name: `${plural}.${group}`,
        annotations: { 'api-approved.kubernetes.io': 'unapproved, of a test' },
      },
      spec: {
        group,
        scope,
        names: { plural, kind },
        versions: [
          {
            name: 'v1',
            served: true,
            storage: true,
            schema: { openAPIV3Schema },
            subresources: kind.endsWith('Class') ? {} : { status: {} },
          },
        ],
      },
    });
  }

  function storageClass(name: string): object & ApiObject {
    return {
      metadata: { name },
      provisioner: DRIVER,
      reclaimPolicy: 'Delete',
      allowVolumeExpansion: true,
      parameters: { pool: 'default' },
    } as object & ApiObject;
  }

  /** As administrator: what users and other controllers do. */
  async function create<T extends ApiObject>(
    resource: Resource<T>,
    object: object,
    namespace?: string,
  ): Promise<void> {
    const { group, version, plural } = resource;
    const base = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
    const path = namespace === undefined ? `${base}/${plural}` : `${base}/namespaces/${namespace}/${plural}`;
    await plane.admin.post(path, object);
  }

  /** A node as kubelet and driver make it known, with the driver's provisioner. */
  async function startNode(name: string, capacity: bigint): Promise<void> {
    await plane.admin.post('/api/v1/nodes', { metadata: { name, labels: { [KEY]: name } } });
    const amounts = { cpu: '4', memory: '8Gi', pods: '100' };
    await plane.admin.patch(`/api/v1/nodes/${name}/status`, {
      status: {
        capacity: amounts,
        allocatable: amounts,
        conditions: [{ type: 'Ready', status: 'True', reason: 'Test', message: '' }],
      },
    });
    await plane.admin.post('/apis/storage.k8s.io/v1/csinodes', {
      metadata: { name },
      spec: { drivers: [{ name: DRIVER, nodeID: name, topologyKeys: [KEY] }] },
    });
    const driver = new FakeDriver({ segments: { [KEY]: name }, capacity });
    const provisioner = new Provisioner({
      client,
      calls: driver.calls,
      driver: DRIVER,
      node: { name, segments: { [KEY]: name } },
      journal: new MemoryJournal(),
      capacity: { namespace: 'kube-system' },
      multiWriter: true,
      log: createLogger(name, { level: 'debug', sink: (line) => log.push(line) }),
    });
    const stop = new AbortController();
    nodes.set(name, { driver, stop, done: provisioner.run(stop.signal) });
  }

  const at = (name: string): { namespace: string; name: string } => ({ namespace: 'default', name });
  const claimOf = (name: string): Promise<NonNullable<(typeof CLAIMS)['object']>> =>
    client.get(CLAIMS, at(name));

  async function claim(name: string, className: string, spec: object = {}): Promise<void> {
    await create(
      CLAIMS,
      {
        metadata: { name },
        spec: {
          accessModes: ['ReadWriteOnce'],
          storageClassName: className,
          resources: { requests: { storage: '1Gi' } },
          ...spec,
        },
      },
      'default',
    );
  }

  async function pod(name: string, claimName: string): Promise<void> {
    await plane.admin.post('/api/v1/namespaces/default/pods', {
      metadata: { name },
      spec: {
        containers: [{ name: 'c', image: 'none' }],
        tolerations: [{ operator: 'Exists' }],
        volumes: [{ name: 'v', persistentVolumeClaim: { claimName } }],
      },
    });
  }

  async function soon<T>(what: string, look: () => Promise<T | undefined | false>): Promise<T> {
    const deadline = performance.now() + 60_000;
    for (;;) {
      const found = await look().catch(() => undefined);
      if (found !== undefined && found !== false) return found;
      if (performance.now() > deadline) throw new Error(`still not: ${what}\n${log.slice(-40).join('')}`);
      await Bun.sleep(50);
    }
  }

  const bound = (name: string): Promise<unknown> =>
    soon(`${name} is bound`, async () => (await claimOf(name)).status?.phase === 'Bound');

  test('the scheduler chooses the node that has room, and the pod’s claim is bound', async () => {
    await soon(
      'both tell their room',
      async () => (await client.list(CAPACITIES, (each) => each)).items.length === 2,
    );
    await claim('data', 'late');
    await pod('user', 'data');
    await bound('data');
    const { spec } = await claimOf('data');
    const volume = await client.get(VOLUMES, { name: spec?.volumeName ?? '' });
    expect(volume.spec.nodeAffinity?.required?.nodeSelectorTerms).toEqual([
      { matchExpressions: [{ key: KEY, operator: 'In', values: ['b'] }] },
    ]);
    expect(nodes.get('b')?.driver.volumes.size).toBe(1);
    await soon('the pod has its node', async () => {
      const found = await plane.admin.get('/api/v1/namespaces/default/pods/user');
      return found.spec?.['nodeName'] === 'b';
    });
    const { items } = await client
      .list(EVENTS, (each) => each.reason, { namespace: 'default' })
      .catch(() => ({ items: [] }));
    // The role may write events, not read them.
    expect(items).toEqual([]);
    const seen = await plane.admin.get<{ items: { reason: string }[] }>('/api/v1/namespaces/default/events');
    const reasons = seen.items.map(({ reason }) => reason);
    expect(reasons).toEqual(expect.arrayContaining(['Provisioning', 'ProvisioningSucceeded']));
  }, 90_000);

  test('the room follows', async () => {
    const rooms = async (): Promise<(string | undefined)[]> =>
      (await client.list(CAPACITIES, ({ capacity }) => capacity)).items.sort();
    await soon('it is told', async () => (await rooms()).includes('99Gi'));
    expect(await rooms()).toEqual(['512Mi', '99Gi']);
  }, 90_000);

  test('a claim that binds at once is taken by a node with room', async () => {
    await claim('at-once', 'now');
    await bound('at-once');
    expect(nodes.get('b')?.driver.volumes.size).toBe(2);
  }, 90_000);

  test('a larger size: the node is next, and then it is done', async () => {
    await plane.admin.patch('/api/v1/namespaces/default/persistentvolumeclaims/data', {
      spec: { resources: { requests: { storage: '2Gi' } } },
    });
    await soon('the node is next', async () => {
      const { status } = await claimOf('data');
      return status?.allocatedResourceStatuses?.['storage'] === 'NodeResizePending';
    });
    const { status, spec } = await claimOf('data');
    expect(status).toMatchObject({ capacity: { storage: '1Gi' }, allocatedResources: { storage: '2Gi' } });
    expect(status?.conditions?.map(({ type }) => type)).toContain('FileSystemResizePending');
    const name = spec?.volumeName ?? '';
    const before = await client.get(VOLUMES, { name });
    expect(before.spec.capacity).toEqual({ storage: '2Gi' });
    // As the kubelet ends it.
    await plane.admin.patch(
      '/api/v1/namespaces/default/persistentvolumeclaims/data/status',
      { status: { capacity: { storage: '2Gi' }, conditions: null, allocatedResourceStatuses: null } },
      'merge',
    );
    await soon('the size before is forgotten', async () => {
      const { metadata } = await client.get(VOLUMES, { name });
      return metadata.annotations?.['volume.alpha.kubernetes.io/pre-resize-capacity'] === undefined;
    });
  }, 90_000);

  test('other attributes', async () => {
    await create(ATTRIBUTES_CLASSES, {
      metadata: { name: 'gold' },
      driverName: DRIVER,
      parameters: { readIOPS: '100' },
    });
    await plane.admin.patch('/api/v1/namespaces/default/persistentvolumeclaims/data', {
      spec: { volumeAttributesClassName: 'gold' },
    });
    await soon('it is done', async () => {
      const { status } = await claimOf('data');
      return status?.currentVolumeAttributesClassName === 'gold' && status.modifyVolumeStatus === undefined;
    });
    expect(nodes.get('b')?.driver.requests('controllerModifyVolume')).toHaveLength(1);
    nodes.get('b')?.driver.fail({ call: 'controllerModifyVolume', code: 'INVALID_ARGUMENT' });
    await create(ATTRIBUTES_CLASSES, {
      metadata: { name: 'bad' },
      driverName: DRIVER,
      parameters: { colour: 'red' },
    });
    await claim('more', 'now', { volumeAttributesClassName: 'gold' });
    await bound('more');
    await plane.admin.patch('/api/v1/namespaces/default/persistentvolumeclaims/more', {
      spec: { volumeAttributesClassName: 'bad' },
    });
    await soon('it is refused', async () => {
      const { status } = await claimOf('more');
      return status?.modifyVolumeStatus?.status === 'Infeasible';
    });
  }, 90_000);

  test('a snapshot is taken, restored and deleted', async () => {
    const FINALIZER = 'snapshot.storage.kubernetes.io/volumesnapshotcontent-bound-protection';
    const { spec } = await claimOf('data');
    const volume = await client.get(VOLUMES, { name: spec?.volumeName ?? '' });
    await create(SNAPSHOT_CLASSES, {
      apiVersion: 'snapshot.storage.k8s.io/v1',
      kind: 'VolumeSnapshotClass',
      metadata: { name: 'snap' },
      driver: DRIVER,
      deletionPolicy: 'Delete',
    });
    const snapshots = '/apis/snapshot.storage.k8s.io/v1/namespaces/default/volumesnapshots';
    const made = await plane.admin.post<{ metadata: { uid: string } }>(snapshots, {
      apiVersion: 'snapshot.storage.k8s.io/v1',
      kind: 'VolumeSnapshot',
      metadata: { name: 'asked' },
    });
    await create(SNAPSHOT_CONTENTS, {
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
    await soon('it is ready', async () => {
      const { status, metadata } = await client.get(SNAPSHOT_CONTENTS, { name: 'content' });
      return status?.readyToUse === true && !Object.keys(metadata.annotations ?? {}).length;
    });
    await plane.admin.patch(
      `${snapshots}/asked/status`,
      { status: { boundVolumeSnapshotContentName: 'content', readyToUse: true, restoreSize: '2Gi' } },
      'merge',
    );
    await claim('back', 'now', {
      resources: { requests: { storage: '2Gi' } },
      dataSource: { apiGroup: 'snapshot.storage.k8s.io', kind: 'VolumeSnapshot', name: 'asked' },
    });
    await bound('back');
    await soon('the snapshot is let go', async () => {
      const { metadata } = await client.get(SNAPSHOTS_ASKED, at('asked'));
      return metadata.finalizers === undefined || metadata.finalizers.length === 0;
    });
    const contents = '/apis/snapshot.storage.k8s.io/v1/volumesnapshotcontents/content';
    await plane.admin.patch(
      contents,
      { metadata: { annotations: { 'snapshot.storage.kubernetes.io/volumesnapshot-being-deleted': 'yes' } } },
      'merge',
    );
    await plane.admin.delete(contents);
    await soon('it is gone', () => gone(contents));
    expect(nodes.get('b')?.driver.snapshots.size).toBe(0);
  }, 90_000);

  test('a group', async () => {
    const type = { apiVersion: 'groupsnapshot.storage.k8s.io/v1' };
    const handles = [...(nodes.get('b')?.driver.volumes.keys() ?? [])].slice(0, 2);
    await create(groupClasses('v1'), {
      ...type,
      kind: 'VolumeGroupSnapshotClass',
      metadata: { name: 'g' },
      driver: DRIVER,
      deletionPolicy: 'Delete',
    });
    await create(groupContents('v1'), {
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
    await soon('it is ready', async () => {
      const { status } = await client.get(groupContents('v1'), { name: 'group' });
      return status?.readyToUse === true && status.volumeSnapshotInfoList?.length === 2;
    });
  }, 90_000);

  test('what is deleted is gone: claim, volume and data', async () => {
    const before = nodes.get('b')?.driver.volumes.size ?? 0;
    const { spec } = await claimOf('at-once');
    await plane.admin.delete('/api/v1/namespaces/default/persistentvolumeclaims/at-once');
    await soon('the volume is gone', () => gone(`/api/v1/persistentvolumes/${spec?.volumeName}`));
    expect(nodes.get('b')?.driver.volumes.size).toBe(before - 1);
  }, 90_000);

  test('the API server goes and comes back: what was asked for meanwhile is done', async () => {
    await plane.apiserver.kill();
    await soon('it is seen', async () => log.some((line) => line.includes('does not answer')));
    await plane.apiserver.start();
    await claim('later', 'now');
    await bound('later');
  }, 120_000);

  async function gone(path: string): Promise<boolean> {
    try {
      await plane.admin.get(path);
      return false;
    } catch (error) {
      return (error as { status?: number }).status === 404;
    }
  }
});
