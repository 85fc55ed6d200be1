/** Deletes the volumes that nobody wants any more: what external-provisioner does with DeleteVolume. */

import type { RpcError } from '../../../shared/grpc/error.ts';
import { isNotFound } from '../../../shared/kube/errors.ts';
import { VOLUMES } from '../../../shared/kube/storage-resources.ts';
import type { PersistentVolume, SecretReference } from '../../../shared/kube/storage-types.ts';
import { WorkQueue } from '../../../shared/kube/work-queue.ts';
import { goText } from './call-error.ts';
import { ClassError } from './class-parameters.ts';
import type { ClusterView } from './cluster-view.ts';
import { type Context, RETRY, WORKERS } from './context.ts';
import { referenceTo } from './event-recorder.ts';
import { ANNOTATION, FINALIZER } from './names.ts';
import { withFinalizer, withoutFinalizer } from './object-changes.ts';
import { secretReference } from './secret-references.ts';
import { volumeStep } from './volume-step.ts';

export interface VolumeQueueOptions {
  readonly context: Context;
  readonly view: ClusterView;
  readonly component: string;
  /** The room of the driver changed. */
  readonly onRoom: () => void;
}

export class VolumeQueue implements Disposable {
  readonly #options: VolumeQueueOptions;
  readonly #queue: WorkQueue;
  /** Volumes whose deletion failed, with why. */
  readonly #failing = new Map<string, string>();

  constructor(options: VolumeQueueOptions) {
    this.#options = options;
    const { clock, random, log } = options.context.options;
    this.#queue = new WorkQueue({
      ...RETRY,
      clock,
      random,
      workers: WORKERS,
      work: (name, signal) => this.#work(name, signal),
      onError: (volume, error, waitMs) => {
        this.#failing.set(volume, (error as Error).message);
        log.info('a volume is tried again later', { volume, waitMs: Math.round(waitMs), error });
      },
    });
    options.view.on(VOLUMES, (names) => {
      for (const name of names) this.#queue.add(name);
    });
  }

  /** Looks at everything again. */
  refresh(): void {
    for (const name of this.#options.view.volumes.items.keys()) this.#queue.add(name);
  }

  /** Volumes that could not be deleted so far. */
  get failing(): readonly { readonly volume: string; readonly why: string }[] {
    return [...this.#failing].map(([volume, why]) => ({ volume, why }));
  }

  idle(): Promise<void> {
    return this.#queue.idle();
  }

  [Symbol.dispose](): void {
    this.#queue[Symbol.dispose]();
  }

  async #work(name: string, signal: AbortSignal): Promise<void> {
    const { context, view } = this.#options;
    if (!view.ready) return;
    const volume = view.volumes.items.get(name);
    const { client, driver } = context.options;
    const step = volume ? volumeStep(volume, driver) : ({ do: 'nothing' } as const);
    switch (step.do) {
      case 'nothing':
        break;
      case 'protect':
        await withFinalizer(client, VOLUMES, { name }, FINALIZER.volume, signal);
        break;
      case 'release':
        await withoutFinalizer(client, VOLUMES, { name }, FINALIZER.volume, signal);
        break;
      case 'delete':
        if (volume) await this.#delete(volume, signal);
        break;
      default:
        return step satisfies never;
    }
    this.#failing.delete(name);
  }

  async #delete(volume: PersistentVolume, signal: AbortSignal): Promise<void> {
    const { context, onRoom, component } = this.#options;
    const { client, calls, log } = context.options;
    const { name } = volume.metadata;
    const volumeId = volume.spec.csi?.volumeHandle ?? '';
    const secrets = await context.secretIfThere(this.#secretOf(volume), signal);
    try {
      await context.call(signal, (each) => calls.deleteVolume({ volumeId, secrets }, each));
    } catch (error) {
      signal.throwIfAborted();
      const about = referenceTo('PersistentVolume', 'v1', volume);
      context.event(component, about, 'Warning', 'VolumeFailedDelete', goText(error as RpcError));
      throw error;
    }
    onRoom();
    try {
      await client.delete(VOLUMES, { name, signal });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    await withoutFinalizer(client, VOLUMES, { name }, FINALIZER.volume, signal);
    log.info('deleted', { volume: name });
  }

  /** From the volume's annotations; volumes from before these had them by their class. */
  #secretOf({ metadata, spec }: PersistentVolume): SecretReference | undefined {
    const { annotations = {} } = metadata;
    const name = annotations[ANNOTATION.deletionSecretName];
    const namespace = annotations[ANNOTATION.deletionSecretNamespace];
    if (name !== undefined && namespace !== undefined)
      return name !== '' && namespace !== '' ? { name, namespace } : undefined;
    const { claimRef, storageClassName = '' } = spec;
    const parameters = this.#options.view.classes.items.get(storageClassName)?.parameters;
    if (!claimRef?.name || !claimRef.namespace || !parameters) return undefined;
    const claim = { name: claimRef.name, namespace: claimRef.namespace };
    try {
      return secretReference(parameters, 'provisioner', { volume: metadata.name, claim });
    } catch (error) {
      if (error instanceof ClassError) return undefined;
      throw error;
    }
  }
}
