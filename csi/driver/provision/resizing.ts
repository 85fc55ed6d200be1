/** Expands volumes: what external-resizer does with ControllerExpandVolume. */

import type { ControllerExpandVolumeRequest } from '#messages/csi';
import { AccessModeMode, type ControllerExpandVolumeResponse } from '#messages/csi';
import type { RpcError } from '../../../shared/grpc/error.ts';
import type { Init } from '../../../shared/grpc/wire/schema.ts';
import { formatQuantity, parseQuantity } from '../../../shared/kube/quantity.ts';
import { CLAIMS, VOLUMES } from '../../../shared/kube/storage-resources.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '../../../shared/kube/storage-types.ts';
import { accessModeOf } from './access-modes.ts';
import { goText, isFinalChange, isInfeasible } from './call-error.ts';
import { ClassError } from './class-parameters.ts';
import type { Context } from './context.ts';
import { referenceTo, timeOf } from './event-recorder.ts';
import { ANNOTATION } from './names.ts';
import { changeMetadata, changeStatus, patchStatus } from './object-changes.ts';
import { type ClaimPatch, nodeIsNext, resized, resizeFailed, resizing } from './resize-patches.ts';

/** Says how it ended, for the next look at the claim. */
export interface ResizeError {
  readonly error: RpcError;
  /** It is not under way any more. */
  readonly isFinal: boolean;
  /** No later try will change it. */
  readonly isInfeasible: boolean;
}

export class Resizing {
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  /**
   * Expands a claim's volume, and writes every step into the claim.
   *
   * @param size a quantity
   * @returns how the driver failed; `undefined`: it did not
   * @throws KubeError
   */
  async expand(
    claim: PersistentVolumeClaim,
    volume: PersistentVolume,
    size: string,
    isNew: boolean,
    signal: AbortSignal,
  ): Promise<ResizeError | undefined> {
    const { client, driver } = this.#context.options;
    const { name } = volume.metadata;
    await patchStatus(client, CLAIMS, claim, resizing(claim, size, isNew, this.#now()), signal);
    this.#say(claim, 'Normal', 'Resizing', `External resizer is resizing volume ${name}`);
    let answer: ControllerExpandVolumeResponse;
    try {
      answer = await this.#call(volume, size, signal);
    } catch (thrown) {
      signal.throwIfAborted();
      const error = thrown as RpcError;
      const why = goText(error);
      const isFinal = isFinalChange(error);
      if (isFinal)
        await this.#write(claim, (now) => resizeFailed(now, why, isInfeasible(error), this.#now()), signal);
      const message = `resize volume "${name}" by resizer "${driver}" failed: ${why}`;
      this.#say(claim, 'Warning', 'VolumeResizeFailed', message);
      return { error, isFinal, isInfeasible: isInfeasible(error) };
    }
    await this.#finish(claim, volume, answer, signal);
    return undefined;
  }

  /** Once the claim has the volume's size, the size before is not needed any more. */
  async forgetSizeBefore(
    { status }: PersistentVolumeClaim,
    { metadata, spec }: PersistentVolume,
    signal: AbortSignal,
  ): Promise<void> {
    const has = parseQuantity(status?.capacity?.['storage'] ?? '0') ?? 0n;
    if (has < (parseQuantity(spec.capacity?.['storage'] ?? '0') ?? 0n)) return;
    const remove = (volume: PersistentVolume): object | undefined =>
      volume.metadata.annotations?.[ANNOTATION.preResizeCapacity] === undefined
        ? undefined
        : { annotations: { [ANNOTATION.preResizeCapacity]: null } };
    await changeMetadata(this.#context.options.client, VOLUMES, { name: metadata.name }, remove, signal);
  }

  async #call(
    volume: PersistentVolume,
    size: string,
    signal: AbortSignal,
  ): Promise<ControllerExpandVolumeResponse> {
    const { calls, multiWriter } = this.#context.options;
    const { controllerExpandVolume } = calls;
    if (!controllerExpandVolume) throw new ClassError('the driver does not expand volumes');
    const { csi } = volume.spec;
    const secrets = await this.#context.secret(csi?.controllerExpandSecretRef, signal);
    const request = {
      volumeId: csi?.volumeHandle ?? '',
      capacityRange: { requiredBytes: parseQuantity(size) ?? 0n },
      volumeCapability: capabilityOf(volume, multiWriter),
      secrets,
    };
    return this.#context.call(signal, (each) => controllerExpandVolume(request, each));
  }

  /** The volume first: whoever is killed in between finds by its size that the driver has done its part. */
  async #finish(
    claim: PersistentVolumeClaim,
    volume: PersistentVolume,
    { capacityBytes, nodeExpansionRequired }: ControllerExpandVolumeResponse,
    signal: AbortSignal,
  ): Promise<void> {
    const { client, log } = this.#context.options;
    const size = formatQuantity(capacityBytes);
    const { annotations = {}, name } = volume.metadata;
    const before = claim.status?.capacity?.['storage'];
    const annotates =
      nodeExpansionRequired && annotations[ANNOTATION.preResizeCapacity] === undefined && before;
    const patch = {
      ...(annotates && { metadata: { annotations: { [ANNOTATION.preResizeCapacity]: before } } }),
      spec: { capacity: { storage: size } },
    };
    await client.patch(VOLUMES, 'merge', patch, { name, signal });
    log.info('expanded', { volume: name, size });
    if (nodeExpansionRequired) {
      await this.#write(claim, (now) => nodeIsNext(now, this.#now()), signal);
      this.#say(claim, 'Normal', 'FileSystemResizeRequired', 'Require file system resize of volume on node');
    } else {
      await this.#write(claim, (now) => resized(now, size), signal);
      this.#say(claim, 'Normal', 'VolumeResizeSuccessful', 'Resize volume succeeded');
    }
  }

  async #write(
    { metadata: { namespace = '', name, uid } }: PersistentVolumeClaim,
    change: (now: PersistentVolumeClaim) => ClaimPatch,
    signal: AbortSignal,
  ): Promise<void> {
    await changeStatus(
      this.#context.options.client,
      CLAIMS,
      { namespace, name },
      (now) => (now.metadata.uid === uid ? change(now) : undefined),
      signal,
    );
  }

  #now(): string {
    return timeOf(this.#context.options.clock.now().wallMs);
  }

  #say(claim: PersistentVolumeClaim, type: 'Normal' | 'Warning', reason: string, message: string): void {
    const about = referenceTo('PersistentVolumeClaim', 'v1', claim);
    this.#context.event(resizerOf(this.#context), about, type, reason, message);
  }
}

/** How the resizer calls itself in events. */
export function resizerOf({ options }: Context): string {
  return `external-resizer ${options.driver}`;
}

function capabilityOf(
  { spec }: PersistentVolume,
  multiWriter: boolean,
): NonNullable<Init<ControllerExpandVolumeRequest>['volumeCapability']> {
  const mode = accessModeOf(spec.accessModes ?? [], multiWriter);
  if (typeof mode === 'object') throw new ClassError(mode.why);
  const accessMode = { mode: AccessModeMode[mode] };
  if (spec.volumeMode === 'Block') return { block: {}, accessMode };
  return { mount: { fsType: spec.csi?.fsType ?? '', mountFlags: spec.mountOptions ?? [] }, accessMode };
}
