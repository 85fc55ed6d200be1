/** A cluster for tests: the fake API server, what controllers around a provisioner would do, and provisioners that are killed. */

import { KubeClient } from '../../../../shared/kube/client.ts';
import { systemClock } from '../../../../shared/kube/clock.ts';
import { CLAIMS, EVENTS, STORAGE_CLASSES, VOLUMES } from '../../../../shared/kube/storage-resources.ts';
import type {
  PersistentVolume,
  PersistentVolumeClaim,
  StorageClass,
} from '../../../../shared/kube/storage-types.ts';
import { FakeApiServer } from '../../../../shared/kube/testing/fake-api-server.ts';
import { accessTo, clientOf } from '../../../../shared/kube/testing/fake-client.ts';
import { TestClock } from '../../../../shared/kube/testing/test-clock.ts';
import { createLogger } from '../../../../shared/log/logger.ts';
import { type Journal, MemoryJournal } from '../journal.ts';
import { ANNOTATION } from '../names.ts';
import { Provisioner, type ProvisionerOptions } from '../provisioner.ts';
import { FakeDriver } from './fake-driver.ts';

export const DRIVER = 'local.underpod.io';
export const KEY = 'local.underpod.io/node';

export interface Running extends AsyncDisposable {
  readonly provisioner: Provisioner;
  /** As by a kill: at once, whatever it was doing. */
  kill(): Promise<void>;
}

export class TestCluster implements AsyncDisposable {
  readonly server: FakeApiServer = new FakeApiServer();
  readonly clock: TestClock = new TestClock();
  readonly client: KubeClient = clientOf(this.server);
  readonly driver: FakeDriver;
  readonly journal: Journal = new MemoryJournal();
  readonly log: string[] = [];
  readonly #running = new Set<Running>();

  constructor(driver: FakeDriver = new FakeDriver({ segments: { [KEY]: 'a' } })) {
    this.driver = driver;
  }

  /** Starts a provisioner; by default of node `a` with the cluster's driver and journal. */
  start(options: Partial<ProvisionerOptions> = {}): Running {
    const stop = new AbortController();
    const provisioner = new Provisioner({
      client: new KubeClient({
        access: accessTo(this.server),
        clock: systemClock,
        userAgent: 'provisioner',
        random: () => 0.5,
      }),
      calls: this.driver.calls,
      driver: DRIVER,
      // Another node has a disk of its own.
      journal: options.node ? new MemoryJournal() : this.journal,
      node: { name: 'a', segments: { [KEY]: 'a' } },
      multiWriter: true,
      clock: this.clock,
      random: () => 0.5,
      log: createLogger('test', { level: 'debug', sink: (line) => this.log.push(line) }),
      ...options,
    });
    const ended = provisioner.run(stop.signal);
    const kill = async (): Promise<void> => {
      stop.abort();
      await ended;
      this.#running.delete(running);
    };
    const running: Running = { provisioner, kill, [Symbol.asyncDispose]: kill };
    this.#running.add(running);
    return running;
  }

  storageClass(name: string, more: Partial<StorageClass> = {}): Promise<StorageClass> {
    return this.client.create(STORAGE_CLASSES, {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'StorageClass',
      metadata: { name },
      provisioner: DRIVER,
      reclaimPolicy: 'Delete',
      volumeBindingMode: 'WaitForFirstConsumer',
      allowVolumeExpansion: true,
      ...more,
    });
  }

  /** A claim as user, scheduler and controller manager leave it. @param node that the scheduler selected */
  claim(
    name: string,
    node: string | undefined,
    spec: PersistentVolumeClaim['spec'] = {},
    more: Partial<PersistentVolumeClaim['metadata']> = {},
  ): Promise<PersistentVolumeClaim> {
    const annotations = {
      [ANNOTATION.storageProvisioner]: DRIVER,
      ...(node !== undefined && { [ANNOTATION.selectedNode]: node }),
      ...more.annotations,
    };
    return this.client.create(
      CLAIMS,
      {
        apiVersion: 'v1',
        kind: 'PersistentVolumeClaim',
        metadata: { name, namespace: 'default', ...more, annotations },
        spec: {
          accessModes: ['ReadWriteOnce'],
          resources: { requests: { storage: '1Gi' } },
          storageClassName: 'fast',
          volumeMode: 'Filesystem',
          ...spec,
        },
        status: { phase: 'Pending' },
      },
      { namespace: 'default' },
    );
  }

  /** What the controller manager does with a claim and its volume. */
  async bind(name: string): Promise<PersistentVolume> {
    const claim = await this.client.get(CLAIMS, { namespace: 'default', name });
    const volume = await this.client.get(VOLUMES, { name: `pvc-${claim.metadata.uid}` });
    const target = { namespace: 'default', name };
    await this.client.patch(CLAIMS, 'merge', { spec: { volumeName: volume.metadata.name } }, target);
    const { capacity, accessModes } = volume.spec;
    const status = { phase: 'Bound', capacity, accessModes };
    await this.client.patch(CLAIMS, 'merge', { status }, { ...target, subresource: 'status' });
    return this.phase(volume.metadata.name, 'Bound');
  }

  phase(volume: string, phase: string): Promise<PersistentVolume> {
    const target = { name: volume, subresource: 'status' };
    return this.client.patch(VOLUMES, 'merge', { status: { phase } }, target);
  }

  volumes(): PersistentVolume[] {
    return this.server.store.all('api/v1/persistentvolumes') as PersistentVolume[];
  }

  /** `REASON: message` of all events, in the order of their coming. */
  async events(): Promise<string[]> {
    for (const { provisioner } of this.#running) await provisioner.idle();
    const { items } = await this.client.list(EVENTS, ({ reason, message }) => `${reason}: ${message}`);
    return items;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const running of [...this.#running]) await running.kill();
    await this.server[Symbol.asyncDispose]();
  }
}
