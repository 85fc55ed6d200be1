/**
 * A whole cluster with the driver of local volumes installed as docs/local-volumes.md has it, and the snapshot controller of
 * external-snapshotter beside it.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { attachedLoops, detachLoop } from '../../../shared/sys/loop.ts';
import {
  buildSnapshotController,
  SNAPSHOT_CONTROLLER,
  snapshotControllerMissing,
  snapshotKinds,
} from '../../snapshotter/programs.ts';
import { TestDaemon } from '../../testing/daemon.ts';
import type { Cluster } from './cluster.ts';
import { BUSYBOX } from './images.ts';
import { agentsReady, overlayOf } from './install.ts';
import { clusterIngredients, OVERLAYS, startCluster } from './testing.ts';
import { until } from './until.ts';
import type { PodObject } from './workload.ts';

await buildSnapshotController();
// While this process is still in the machine's network.
const kinds = snapshotControllerMissing() === undefined ? snapshotKinds() : [];
const ingredients = await clusterIngredients(snapshotControllerMissing);

const LIMIT_MS = 240_000;
const DEPLOY = resolve(import.meta.dirname, '../../../csi/local/deploy/snapshots');
/** Grows in use without CAP_SYS_RESOURCE, which ext4 needs and not every machine gives. */
const CLASS = 'underpod-local-xfs';
/** Writes a megabyte once, and then only compares it. */
const KEEP = `[ -f /data/sum ] || { busybox head -c 1000000 /dev/urandom > /data/proof; busybox md5sum /data/proof > /data/sum; busybox sync; }
busybox md5sum -c /data/sum && exec busybox sleep 100000`;

interface Claim {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly volumeName?: string };
  readonly status?: { readonly phase?: string; readonly capacity?: { readonly storage?: string } };
}

const metadata = (name: string): object => ({ name, namespace: 'default' });

function claim(name: string, size: string, more: object = {}): object {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: metadata(name),
    spec: {
      storageClassName: CLASS,
      accessModes: ['ReadWriteOnce'],
      resources: { requests: { storage: size } },
      ...more,
    },
  };
}

function pod(command: string): object {
  return {
    terminationGracePeriodSeconds: 1,
    containers: [
      {
        name: 'main',
        image: BUSYBOX,
        command: ['busybox', 'sh', '-c', command],
        volumeMounts: [{ name: 'data', mountPath: '/data' }],
        readinessProbe: { exec: { command: ['busybox', 'md5sum', '-c', '/data/sum'] }, periodSeconds: 1 },
      },
    ],
  };
}

/** Loop devices are the machine's: these have an image of a node's pool behind them, whether it is there still or not. */
function devicesOfVolumes(): string[] {
  return attachedLoops()
    .map(({ path }) => path)
    .filter((path) =>
      readFileSync(`/sys/block/${basename(path)}/loop/backing_file`, 'utf8').includes('/volumes/volumes/'),
    );
}

describe('local volumes in a whole cluster', () => {
  let cluster: Cluster;
  let controller: TestDaemon;
  const apply = async (...objects: object[]): Promise<void> => {
    mkdirSync(OVERLAYS, { recursive: true });
    const path = `${OVERLAYS}/objects.json`;
    writeFileSync(path, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }));
    await cluster.kubectl('apply', '--server-side', '-f', path);
  };
  const get = async <T>(...what: string[]): Promise<T> =>
    JSON.parse(await cluster.kubectl('get', ...what, '--output=json')) as T;
  const isReady = async (name: string): Promise<PodObject | undefined> => {
    const found = (await cluster.list<PodObject>('pods', '--field-selector', `metadata.name=${name}`))[0];
    return found?.status.containerStatuses?.[0]?.ready && !found.metadata.deletionTimestamp
      ? found
      : undefined;
  };
  const readyPod = (name: string): Promise<PodObject> => until(`pod ${name}`, LIMIT_MS, () => isReady(name));
  const driversReady = (): Promise<string> =>
    cluster.kubectl(
      '-n',
      'kube-system',
      'rollout',
      'status',
      'daemonset/underpod-csi-local',
      '--timeout=180s',
    );
  const inPod = (name: string, ...command: string[]): Promise<string> =>
    cluster.kubectl('exec', name, '--', 'busybox', ...command);
  /** Kilobytes of the file system at /data. */
  const sizeIn = async (name: string): Promise<number> =>
    Number((await inPod(name, 'df', '-k', '/data')).trim().split('\n').at(-1)?.split(/\s+/)[1]);

  beforeAll(async () => {
    cluster = await startCluster(ingredients);
    await cluster.kubectl('apply', '-k', overlayOf('kubeadm', OVERLAYS));
    await agentsReady(cluster);
    for (const path of kinds) await cluster.kubectl('apply', '--server-side', '-f', path);
    controller = new TestDaemon({
      name: 'snapshot-controller',
      command: [
        SNAPSHOT_CONTROLLER,
        `--kubeconfig=${cluster.plane.kubeconfig('admin', cluster.plane.adminKeys)}`,
        '--http-endpoint=127.0.0.1:8383',
      ],
      log: '/run/cluster/logs/snapshot-controller.log',
      ready: async () => {
        await fetch('http://127.0.0.1:8383/metrics');
      },
      startLimitMs: 30_000,
    });
    await controller.start();
  }, LIMIT_MS);
  afterAll(async () => {
    await controller?.kill();
    await cluster?.[Symbol.asyncDispose]();
    for (const path of devicesOfVolumes()) detachLoop(path);
  }, LIMIT_MS);

  test(
    'the manifests make the kubelets know the driver, and the scheduler its room',
    async () => {
      await cluster.kubectl('apply', '-k', DEPLOY);
      await apply({
        apiVersion: 'storage.k8s.io/v1',
        kind: 'StorageClass',
        metadata: { name: CLASS },
        provisioner: 'local.underpod.io',
        volumeBindingMode: 'WaitForFirstConsumer',
        allowVolumeExpansion: true,
        parameters: { 'csi.storage.k8s.io/fstype': 'xfs' },
      });
      await driversReady();
      for (const { name } of cluster.nodes)
        await until(`the kubelet of ${name} to know it`, LIMIT_MS, async () => {
          const { spec } = await get<{ spec: { drivers?: { name: string }[] | null } }>('csinode', name);
          return spec.drivers?.some((driver) => driver.name === 'local.underpod.io') || undefined;
        });
      await until('room to be told', LIMIT_MS, async () => {
        const told = await cluster.list<{ storageClassName: string; capacity?: string }>(
          'csistoragecapacities',
          '--namespace=kube-system',
        );
        return told.filter((one) => one.storageClassName === CLASS && one.capacity).length === 2 || undefined;
      });
    },
    LIMIT_MS,
  );

  test(
    "a StatefulSet gets its volume, and has it again after its pod, the driver's and the kubelet have gone",
    async () => {
      await apply({
        apiVersion: 'apps/v1',
        kind: 'StatefulSet',
        metadata: metadata('db'),
        spec: {
          serviceName: 'db',
          selector: { matchLabels: { app: 'db' } },
          template: { metadata: { labels: { app: 'db' } }, spec: pod(KEEP) },
          volumeClaimTemplates: [claim('data', '320Mi')].map((each) => ({
            ...each,
            metadata: { name: 'data' },
          })),
        },
      });
      const first = await readyPod('db-0');
      const sum = await inPod('db-0', 'cat', '/data/sum');
      const node = cluster.node(first.spec.nodeName ?? '');
      await node.kubelet.kill();
      await cluster.kubectl(
        '-n',
        'kube-system',
        'delete',
        'pods',
        '--selector=app.kubernetes.io/name=underpod-csi-local',
        '--wait=false',
      );
      await node.kubelet.start();
      await driversReady();
      await until('the kubelet to know its pods', LIMIT_MS, async () => {
        expect(await inPod('db-0', 'cat', '/data/sum')).toBe(sum);
        return true;
      });
      await cluster.kubectl('delete', 'pod', 'db-0');
      const second = await until('another pod', LIMIT_MS, async () => {
        const found = await isReady('db-0');
        return found?.metadata.uid === first.metadata.uid ? undefined : found;
      });
      expect(second.spec.nodeName).toBe(first.spec.nodeName);
      expect(await inPod('db-0', 'cat', '/data/sum')).toBe(sum);
    },
    LIMIT_MS,
  );

  test(
    'it grows while it is in use',
    async () => {
      const size = await sizeIn('db-0');
      await cluster.kubectl(
        'patch',
        'pvc',
        'data-db-0',
        '--patch',
        '{"spec":{"resources":{"requests":{"storage":"480Mi"}}}}',
      );
      await until('the claim to have grown', LIMIT_MS, async () => {
        const { status } = await get<Claim>('pvc', 'data-db-0');
        return status?.capacity?.storage === '480Mi' || undefined;
      });
      expect((await sizeIn('db-0')) - size).toBeGreaterThan(150 * 1024);
      await inPod('db-0', 'md5sum', '-c', '/data/sum');
    },
    LIMIT_MS,
  );

  test(
    'a snapshot holds what was there, and a claim made from it has that',
    async () => {
      const sum = await inPod('db-0', 'cat', '/data/sum');
      await apply({
        apiVersion: 'snapshot.storage.k8s.io/v1',
        kind: 'VolumeSnapshot',
        metadata: metadata('before'),
        spec: {
          volumeSnapshotClassName: 'underpod-local',
          source: { persistentVolumeClaimName: 'data-db-0' },
        },
      });
      await until('the snapshot', LIMIT_MS, async () => {
        const { status } = await get<{ status?: { readyToUse?: boolean } }>('volumesnapshot', 'before');
        return status?.readyToUse || undefined;
      });
      await inPod('db-0', 'rm', '/data/sum');
      await apply(
        claim('restored', '480Mi', {
          dataSource: { apiGroup: 'snapshot.storage.k8s.io', kind: 'VolumeSnapshot', name: 'before' },
        }),
        {
          apiVersion: 'v1',
          kind: 'Pod',
          metadata: metadata('reader'),
          spec: {
            ...pod(KEEP),
            volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'restored' } }],
          },
        },
      );
      await readyPod('reader');
      expect(await inPod('reader', 'cat', '/data/sum')).toBe(sum);
    },
    LIMIT_MS,
  );

  test(
    'an inline volume comes and goes with its pod',
    async () => {
      const volume = {
        name: 'data',
        csi: { driver: 'local.underpod.io', volumeAttributes: { size: '64Mi' } },
      };
      await apply({
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: metadata('inline'),
        spec: { ...pod(KEEP), volumes: [volume] },
      });
      await readyPod('inline');
      await cluster.kubectl('delete', 'pod', 'inline');
    },
    LIMIT_MS,
  );

  test(
    'with the claims everything goes',
    async () => {
      await cluster.kubectl(
        'delete',
        'statefulset/db',
        'pod/reader',
        'pvc/data-db-0',
        'pvc/restored',
        'volumesnapshot/before',
      );
      await until('the volumes to be gone', LIMIT_MS, async () => {
        expect(await cluster.list('persistentvolumes')).toEqual([]);
        expect(await cluster.list('volumesnapshotcontents')).toEqual([]);
        return true;
      });
      await until('the pools to be empty', LIMIT_MS, async () => {
        for (const { lab } of cluster.nodes)
          for (const kind of ['volumes', 'snapshots'])
            expect(readdirSync(lab.path(`/var/lib/underpod/volumes/${kind}`))).toEqual([]);
        return true;
      });
      expect(devicesOfVolumes()).toEqual([]);
    },
    LIMIT_MS,
  );
});
