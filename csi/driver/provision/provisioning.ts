/** Makes volumes for claims: what external-provisioner does with CreateVolume. */

import type { CreateVolumeResponse } from '#messages/csi';
import type { RpcError } from '../../../shared/grpc/error.ts';
import { isConflict, isTransient, KubeError } from '../../../shared/kube/errors.ts';
import { CLAIMS } from '../../../shared/kube/storage-resources.ts';
import type { PersistentVolumeClaim, StorageClass } from '../../../shared/kube/storage-types.ts';
import { goText, isFinal, leavesNothing } from './call-error.ts';
import { ClassError } from './class-parameters.ts';
import type { Context } from './context.ts';
import { SourceError, sourceOf } from './data-source.ts';
import { referenceTo } from './event-recorder.ts';
import { type Begun, type Journal, uidOf } from './journal.ts';
import { ANNOTATION } from './names.ts';
import { changeMetadata, createIfMissing } from './object-changes.ts';
import { type Prepared, prepare } from './prepare.ts';
import { protectSource, releaseSource, snapshotOf } from './source-protection.ts';
import { volumeObject } from './volume-object.ts';

/** How a try ended. A failure that is to be tried again soon is thrown. */
export type Outcome =
  /** The volume is there, or somebody else makes it. */
  | 'done'
  /** Another node is to be chosen. */
  | 'elsewhere'
  /** It can only succeed once somebody changes something: tried again rarely. */
  | 'hopeless';

export interface ProvisioningOptions {
  readonly context: Context;
  readonly journal: Journal;
  /** In volumes' attributes and events: which run of this program it was. */
  readonly identity: string;
  readonly component: string;
}

/** CreateVolume did something that its request excludes; what it made is deleted again. */
class BadVolumeError extends Error {
  override readonly name = 'BadVolumeError';
}

export class Provisioning {
  readonly #options: ProvisioningOptions;

  constructor(options: ProvisioningOptions) {
    this.#options = options;
  }

  /**
   * Whether what a claim's volume is to be made from is on this node.
   *
   * @returns undefined where that cannot be told yet @throws KubeError, RpcError
   */
  async isSourceHere(
    claim: PersistentVolumeClaim,
    storageClass: StorageClass,
    signal: AbortSignal,
  ): Promise<boolean | undefined> {
    try {
      const source = sourceOf(claim);
      if (source.kind === 'populator' || source.kind === 'none') return false;
      return (await prepare(this.#options.context, claim, storageClass, source, signal)).isSourceHere;
    } catch (error) {
      // It is told to the user by the node that the scheduler chooses.
      if (error instanceof ClassError || error instanceof SourceError) return undefined;
      throw error;
    }
  }

  /** Makes a claim's volume and its PersistentVolume. @throws what prevented it: to be tried again */
  async provision(
    claim: PersistentVolumeClaim,
    storageClass: StorageClass,
    signal: AbortSignal,
  ): Promise<Outcome> {
    const { namespace, name } = claim.metadata;
    try {
      const source = sourceOf(claim);
      if (source.kind === 'populator') {
        this.#say(
          claim,
          'Normal',
          'Provisioning',
          'Assuming an external populator will provision the volume',
        );
        return 'done';
      }
      this.#say(
        claim,
        'Normal',
        'Provisioning',
        `External provisioner is provisioning volume for claim "${namespace}/${name}"`,
      );
      const prepared = await prepare(this.#options.context, claim, storageClass, source, signal);
      if (!prepared.isSourceHere) {
        const why = `the ${source.kind} that the volume is to be made from is on another node`;
        return await this.#elsewhere(claim, why, signal);
      }
      return await this.#create(claim, storageClass, prepared, signal);
    } catch (error) {
      // What the user, or whoever set the driver up, can mend. A server that is away is neither's.
      const isTheirs =
        error instanceof ClassError ||
        error instanceof SourceError ||
        error instanceof BadVolumeError ||
        (error instanceof KubeError && !isTransient(error) && !isConflict(error));
      if (isTheirs) this.#say(claim, 'Warning', 'ProvisioningFailed', error.message);
      throw error;
    }
  }

  async #create(
    claim: PersistentVolumeClaim,
    storageClass: StorageClass,
    { request, secrets }: Prepared,
    signal: AbortSignal,
  ): Promise<Outcome> {
    const { context, journal, identity } = this.#options;
    const { client, calls, driver, node, log } = context.options;
    const { namespace = '', name } = claim.metadata;
    const values = await context.secret(secrets.provisioner, signal);
    if (snapshotOf(claim) !== undefined) journal.put({ claim, storageClass, request, isNothing: true });
    await protectSource(context, claim, signal);
    journal.put({ claim, storageClass, request });
    let made: CreateVolumeResponse;
    try {
      made = await context.call(signal, (each) => calls.createVolume({ ...request, secrets: values }, each));
    } catch (thrown) {
      if (leavesNothing(thrown as RpcError)) this.#noteNothing({ claim, storageClass, request });
      return await this.#failed(claim, thrown as RpcError, signal);
    }
    const volume = await this.#checked(made, { claim, storageClass, request }, values, signal);
    const object = volumeObject(claim, storageClass, volume, {
      driver,
      identity,
      hasTopology: node !== undefined,
      secrets,
    });
    await createIfMissing(client, object, signal);
    await this.#end(claim, signal);
    log.info('provisioned', { claim: `${namespace}/${name}`, volume: object.metadata.name });
    this.#say(
      claim,
      'Normal',
      'ProvisioningSucceeded',
      `Successfully provisioned volume ${object.metadata.name}`,
    );
    return 'done';
  }

  async #failed(claim: PersistentVolumeClaim, error: RpcError, signal: AbortSignal): Promise<Outcome> {
    const { context } = this.#options;
    // Nobody failed: the program ends.
    signal.throwIfAborted();
    if (error.code === 'RESOURCE_EXHAUSTED' && context.options.node)
      return this.#elsewhere(claim, goText(error), signal);
    if (error.code === 'INVALID_ARGUMENT') {
      const why = `Volume provisioning failed with infeasible error. Retries will be delayed. ${goText(error)}`;
      this.#say(claim, 'Warning', 'ProvisioningFailed', why);
      return 'hopeless';
    }
    this.#say(claim, 'Warning', 'ProvisioningFailed', goText(error));
    context.options.log.debug('provisioning failed', { final: isFinal(error), error });
    throw error;
  }

  /** Nothing is left of a claim here, nor of what kept its source. */
  async #end(claim: PersistentVolumeClaim, signal: AbortSignal): Promise<void> {
    const { context, journal } = this.#options;
    await releaseSource(context, journal, claim, signal);
    journal.remove(claim.metadata.uid ?? '');
  }

  /** There is no volume; a snapshot is kept for the next try, until that or until the claim is gone. */
  #noteNothing(begun: Begun): void {
    const { journal } = this.#options;
    if (snapshotOf(begun.claim) !== undefined) journal.put({ ...begun, isNothing: true });
    else journal.remove(uidOf(begun));
  }

  /** What the driver made, if it is what was asked for; else it is taken back. @throws BadVolumeError */
  async #checked(
    { volume }: CreateVolumeResponse,
    begun: Begun,
    secrets: Record<string, string>,
    signal: AbortSignal,
  ): Promise<NonNullable<CreateVolumeResponse['volume']>> {
    const { context } = this.#options;
    const { name, capacityRange, volumeContentSource } = begun.request;
    if (!volume) throw new BadVolumeError('the driver answered without a volume');
    const asked = capacityRange?.requiredBytes ?? 0n;
    const { capacityBytes, volumeId } = volume;
    let problem: string | undefined;
    if (capacityBytes !== 0n && capacityBytes < asked)
      problem = `created volume capacity ${capacityBytes} less than requested capacity ${asked}`;
    else if (volumeContentSource && !volume.contentSource) problem = 'volume content source missing';
    if (problem === undefined) return volume;
    try {
      await context.call(signal, (each) => context.options.calls.deleteVolume({ volumeId, secrets }, each));
      this.#noteNothing(begun);
    } catch (error) {
      problem += `. Cleanup of volume ${name} failed, volume is orphaned: ${(error as Error).message}`;
    }
    throw new BadVolumeError(problem);
  }

  /** Gives a claim back to the scheduler, or to the other nodes: by taking our name out of it. */
  async #elsewhere(claim: PersistentVolumeClaim, why: string, signal: AbortSignal): Promise<Outcome> {
    const { client, node } = this.#options.context.options;
    this.#say(claim, 'Warning', 'ProvisioningFailed', why);
    const { namespace = '', name, uid } = claim.metadata;
    const takeOut = ({ metadata }: PersistentVolumeClaim): object | undefined =>
      metadata.uid === uid && metadata.annotations?.[ANNOTATION.selectedNode] === node?.name
        ? { annotations: { [ANNOTATION.selectedNode]: null } }
        : undefined;
    await this.#end(claim, signal);
    await changeMetadata(client, CLAIMS, { namespace, name }, takeOut, signal);
    return 'elsewhere';
  }

  #say(claim: PersistentVolumeClaim, type: 'Normal' | 'Warning', reason: string, message: string): void {
    const { context, component } = this.#options;
    context.event(component, referenceTo('PersistentVolumeClaim', 'v1', claim), type, reason, message);
  }
}
