/** Changes volumes' attributes: what external-resizer does with ControllerModifyVolume. */

import type { RpcError } from '../../../shared/grpc/error.ts';
import { CLAIMS, VOLUMES } from '../../../shared/kube/storage-resources.ts';
import type {
  PersistentVolume,
  PersistentVolumeClaim,
  SecretReference,
  VolumeAttributesClass,
} from '../../../shared/kube/storage-types.ts';
import { goName, goText, isFinalChange } from './call-error.ts';
import type { Context } from './context.ts';
import { referenceTo, timeOf } from './event-recorder.ts';
import { modified, modifyFailed, modifyForgotten, modifying, modifyPending } from './modify-plan.ts';
import { ANNOTATION } from './names.ts';
import { changeStatus, patchStatus } from './object-changes.ts';
import type { ClaimPatch } from './resize-patches.ts';
import { type ResizeError, resizerOf } from './resizing.ts';

export class Modifying {
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  /** @returns how the driver failed; `undefined`: it did not @throws KubeError */
  async modify(
    claim: PersistentVolumeClaim,
    volume: PersistentVolume,
    target: VolumeAttributesClass,
    isNew: boolean,
    signal: AbortSignal,
  ): Promise<ResizeError | undefined> {
    const { client, log } = this.#context.options;
    const { name } = claim.metadata;
    const to = target.metadata.name;
    if (isNew) {
      await patchStatus(client, CLAIMS, claim, modifying(claim, to, this.#now()), signal);
      this.#say(
        claim,
        'Normal',
        'VolumeModify',
        `external resizer is modifying volume ${name} with vac ${to}`,
      );
    }
    try {
      await this.#call(volume, target, signal);
    } catch (thrown) {
      signal.throwIfAborted();
      return this.#failed(claim, to, thrown as RpcError, signal);
    }
    // The volume first, as it is what a new claim of it is compared with.
    const spec = { volumeAttributesClassName: to };
    await client.patch(VOLUMES, 'merge', { spec }, { name: volume.metadata.name, signal });
    await this.#write(claim, (now) => modified(now, to), signal);
    log.info('modified', { volume: volume.metadata.name, attributes: to });
    this.#say(
      claim,
      'Normal',
      'VolumeModifySuccessful',
      `external resizer modified volume ${name} with vac ${to} successfully`,
    );
    return undefined;
  }

  /** The class is not there: said once. */
  async wait(claim: PersistentVolumeClaim, target: string, signal: AbortSignal): Promise<void> {
    if (claim.status?.modifyVolumeStatus?.status === 'Pending') return;
    this.#say(claim, 'Warning', 'VolumeModifyFailed', `VAC "${target}" does not exist.`);
    await this.#write(claim, modifyPending, signal);
  }

  async forget(claim: PersistentVolumeClaim, signal: AbortSignal): Promise<void> {
    this.#say(claim, 'Normal', 'VolumeModifyCanceled', 'Cancelled modify.');
    await this.#write(claim, modifyForgotten, signal);
  }

  async #call(
    { spec: { csi }, metadata: { annotations = {} } }: PersistentVolume,
    { parameters = {} }: VolumeAttributesClass,
    signal: AbortSignal,
  ): Promise<void> {
    const { controllerModifyVolume } = this.#context.options.calls;
    const name = annotations[ANNOTATION.modifySecretName];
    const namespace = annotations[ANNOTATION.modifySecretNamespace];
    const secret: SecretReference | undefined =
      name && namespace ? { name, namespace } : csi?.controllerExpandSecretRef;
    const secrets = await this.#context.secret(secret, signal);
    const request = { volumeId: csi?.volumeHandle ?? '', mutableParameters: parameters, secrets };
    await this.#context.call(signal, async (each) => controllerModifyVolume?.(request, each));
  }

  async #failed(
    claim: PersistentVolumeClaim,
    target: string,
    error: RpcError,
    signal: AbortSignal,
  ): Promise<ResizeError> {
    const isFinal = isFinalChange(error);
    const failure = {
      code: goName(error.code),
      details: error.details,
      isFinal,
      isInfeasible: error.code === 'INVALID_ARGUMENT',
    };
    await this.#write(claim, (now) => modifyFailed(now, target, failure, this.#now()), signal);
    const more = isFinal ? '' : `. Still modifying to VAC ${target}`;
    this.#say(claim, 'Warning', 'VolumeModifyFailed', `${goText(error)}${more}`);
    return { error, isFinal, isInfeasible: failure.isInfeasible };
  }

  async #write(
    { metadata: { namespace = '', name, uid } }: PersistentVolumeClaim,
    change: (now: PersistentVolumeClaim) => ClaimPatch,
    signal: AbortSignal,
  ): Promise<void> {
    const { client } = this.#context.options;
    const mine = (now: PersistentVolumeClaim): ClaimPatch | undefined =>
      now.metadata.uid === uid ? change(now) : undefined;
    await changeStatus(client, CLAIMS, { namespace, name }, mine, signal);
  }

  #now(): string {
    return timeOf(this.#context.options.clock.now().wallMs);
  }

  #say(claim: PersistentVolumeClaim, type: 'Normal' | 'Warning', reason: string, message: string): void {
    const about = referenceTo('PersistentVolumeClaim', 'v1', claim);
    this.#context.event(resizerOf(this.#context), about, type, reason, message);
  }
}
