/** A control plane with the controllers and the scheduler that have to do with volumes, and nodes that exist by their objects alone. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { ControlPlane, controlPlaneMissing } from '../../../../conformance/kubernetes/control-plane.ts';
import { kubernetesMissing, kubernetesProgram } from '../../../../conformance/kubernetes/programs.ts';
import { TestDaemon } from '../../../../conformance/testing/daemon.ts';
import { inClusterAccess } from '../../../../shared/kube/access/in-cluster.ts';
import { KubeClient } from '../../../../shared/kube/client.ts';
import { systemClock } from '../../../../shared/kube/clock.ts';
import type { Resource } from '../../../../shared/kube/resource.ts';
import { CLAIMS, STORAGE_CLASSES } from '../../../../shared/kube/storage-resources.ts';
import type { PersistentVolumeClaim } from '../../../../shared/kube/storage-types.ts';
import type { ApiObject } from '../../../../shared/kube/types.ts';
import { createLogger } from '../../../../shared/log/logger.ts';
import { MemoryJournal } from '../journal.ts';
import { Provisioner } from '../provisioner.ts';
import { DRIVER, KEY } from './cluster.ts';
import type { FakeDriver } from './fake-driver.ts';

/** How long anything may take, in ms. */
const SOON_MS = 60_000;

/** Why there can be none here; `undefined`: there can. */
export function realClusterMissing(): string | undefined {
  return controlPlaneMissing() ?? kubernetesMissing('kube-controller-manager', 'kube-scheduler');
}

export class RealCluster implements AsyncDisposable {
  readonly plane: ControlPlane;
  /** With the rights that the driver's manifest gives it. */
  readonly client: KubeClient;
  readonly log: string[] = [];
  readonly #stack: AsyncDisposableStack;

  private constructor(plane: ControlPlane, client: KubeClient, stack: AsyncDisposableStack) {
    this.plane = plane;
    this.client = client;
    this.#stack = stack;
  }

  static async start(directory: string): Promise<RealCluster> {
    await using stack = new AsyncDisposableStack();
    const plane = stack.use(await ControlPlane.start({ directory }));
    const volumes = ['binder', 'expander', 'protection'].map((name) => `persistentvolume-${name}-controller`);
    const controllers = [...volumes, 'persistentvolumeclaim-protection-controller'];
    const daemons = [
      daemon(plane, directory, 'kube-controller-manager', `--controllers=${controllers.join(',')}`),
      daemon(plane, directory, 'kube-scheduler'),
    ];
    for (const each of daemons) {
      stack.defer(() => each.kill());
      await each.start();
    }
    await plane.apply('csi/local/deploy/base/rbac.yaml');
    await plane.admin.ensure('/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } });
    await plane.admin.post('/apis/storage.k8s.io/v1/csidrivers', {
      metadata: { name: DRIVER },
      spec: { attachRequired: false, podInfoOnMount: true, storageCapacity: true },
    });
    for (const kind of ['VolumeSnapshotContent', 'VolumeSnapshotClass', 'VolumeSnapshot'])
      await define(plane, 'snapshot.storage.k8s.io', kind);
    for (const kind of ['VolumeGroupSnapshotContent', 'VolumeGroupSnapshotClass'])
      await define(plane, 'groupsnapshot.storage.k8s.io', kind);
    const account = `${directory}/account`;
    mkdirSync(account);
    writeFileSync(`${account}/token`, await plane.token('kube-system', 'underpod-csi-local'));
    writeFileSync(`${account}/ca.crt`, plane.authority.cert);
    const access = inClusterAccess({ environment: {}, server: plane.url, directory: account });
    const client = new KubeClient({ access, clock: systemClock, userAgent: 'test' });
    return new RealCluster(plane, client, stack.move());
  }

  /** A node as kubelet and driver make it known. */
  async createNode(name: string): Promise<void> {
    const { admin } = this.plane;
    await admin.post('/api/v1/nodes', { metadata: { name, labels: { [KEY]: name } } });
    const amounts = { cpu: '4', memory: '8Gi', pods: '100' };
    const conditions = [{ type: 'Ready', status: 'True', reason: 'Test', message: '' }];
    const status = { capacity: amounts, allocatable: amounts, conditions };
    await admin.patch(`/api/v1/nodes/${name}/status`, { status });
    await admin.post('/apis/storage.k8s.io/v1/csinodes', {
      metadata: { name },
      spec: { drivers: [{ name: DRIVER, nodeID: name, topologyKeys: [KEY] }] },
    });
  }

  /** Starts the provisioner of a node. @returns what ends it; at the latest the cluster's end does */
  provision(name: string, driver: FakeDriver): () => Promise<void> {
    const provisioner = new Provisioner({
      client: this.client,
      calls: driver.calls,
      driver: DRIVER,
      node: { name, segments: { [KEY]: name } },
      journal: new MemoryJournal(),
      capacity: { namespace: 'kube-system' },
      multiWriter: true,
      log: createLogger(name, { level: 'debug', sink: (line) => this.log.push(line) }),
    });
    const stop = new AbortController();
    const done = provisioner.run(stop.signal);
    const end = async (): Promise<void> => {
      stop.abort();
      await done;
    };
    this.#stack.defer(end);
    return end;
  }

  /** As the administrator. */
  async create<T extends ApiObject>(
    resource: Resource<T>,
    object: object,
    namespace?: string,
  ): Promise<void> {
    const { group, version, plural } = resource;
    const base = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
    const where = namespace === undefined ? base : `${base}/namespaces/${namespace}`;
    await this.plane.admin.post(`${where}/${plural}`, object);
  }

  storageClass(name: string, volumeBindingMode: string, parameters: object = {}): Promise<void> {
    return this.create(STORAGE_CLASSES, {
      metadata: { name },
      provisioner: DRIVER,
      reclaimPolicy: 'Delete',
      allowVolumeExpansion: true,
      volumeBindingMode,
      parameters: { pool: 'default', ...parameters },
    });
  }

  claim(name: string, storageClassName: string, spec: object = {}): Promise<void> {
    const resources = { requests: { storage: '1Gi' } };
    const all = { accessModes: ['ReadWriteOnce'], storageClassName, resources, ...spec };
    return this.create(CLAIMS, { metadata: { name }, spec: all }, 'default');
  }

  claimOf(name: string): Promise<PersistentVolumeClaim> {
    return this.client.get(CLAIMS, { namespace: 'default', name });
  }

  async changeClaim(name: string, spec: object): Promise<void> {
    await this.plane.admin.patch(`/api/v1/namespaces/default/persistentvolumeclaims/${name}`, { spec });
  }

  /** A pod that uses a claim; no kubelet runs it. */
  async pod(name: string, claimName: string): Promise<void> {
    await this.plane.admin.post('/api/v1/namespaces/default/pods', {
      metadata: { name },
      spec: {
        containers: [{ name: 'c', image: 'none' }],
        tolerations: [{ operator: 'Exists' }],
        volumes: [{ name: 'v', persistentVolumeClaim: { claimName } }],
      },
    });
  }

  /** Waits until it holds; errors count as not yet. @returns what it said */
  async soon<T>(what: string, look: () => Promise<T | undefined | false>): Promise<T> {
    const deadline = performance.now() + SOON_MS;
    for (;;) {
      const found = await look().catch(() => undefined);
      if (found !== undefined && found !== false) return found;
      if (performance.now() > deadline)
        throw new Error(`still not: ${what}\n${this.log.slice(-40).join('')}`);
      await Bun.sleep(50);
    }
  }

  async bound(name: string): Promise<void> {
    await this.soon(`${name} is bound`, async () => (await this.claimOf(name)).status?.phase === 'Bound');
  }

  async gone(path: string): Promise<boolean> {
    try {
      await this.plane.admin.get(path);
      return false;
    } catch (error) {
      return (error as { readonly status?: number }).status === 404;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

function daemon(
  plane: ControlPlane,
  directory: string,
  name: 'kube-controller-manager' | 'kube-scheduler',
  ...flags: string[]
): TestDaemon {
  const port = name === 'kube-scheduler' ? 10259 : 10257;
  const config = plane.kubeconfig(name, plane.clientCertificate(name, 'system:masters'));
  const common = ['--leader-elect=false', '--bind-address=127.0.0.1', `--secure-port=${port}`];
  return new TestDaemon({
    name,
    command: [kubernetesProgram(name), `--kubeconfig=${config}`, ...common, ...flags],
    log: `${directory}/${name}.log`,
    startLimitMs: 30_000,
    ready: async () => {
      const options = { tls: { rejectUnauthorized: false } } as RequestInit;
      const response = await fetch(`https://127.0.0.1:${port}/healthz`, options);
      if (!response.ok) throw new Error(String(response.status));
    },
  });
}

/** As the CRDs of external-snapshotter define them, but for what fields there may be. */
async function define(plane: ControlPlane, group: string, kind: string): Promise<void> {
  const isClass = kind.endsWith('Class');
  const plural = `${kind.toLowerCase()}${isClass ? 'es' : 's'}`;
  const openAPIV3Schema = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
  const subresources = isClass ? {} : { status: {} };
  const version = { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema }, subresources };
  await plane.admin.post('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', {
    metadata: {
      name: `${plural}.${group}`,
      annotations: { 'api-approved.kubernetes.io': 'unapproved, of a test' },
    },
    spec: {
      group,
      scope: kind === 'VolumeSnapshot' ? 'Namespaced' : 'Cluster',
      names: { plural, kind },
      versions: [version],
    },
  });
}
