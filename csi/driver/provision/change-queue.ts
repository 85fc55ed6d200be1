/** Works on claims that have their volume here: larger sizes and other attributes. */

import { isConflict } from '../../../shared/kube/errors.ts';
import { ATTRIBUTES_CLASSES, CLAIMS, VOLUMES } from '../../../shared/kube/storage-resources.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '../../../shared/kube/storage-types.ts';
import { WorkQueue } from '../../../shared/kube/work-queue.ts';
import type { ClusterView } from './cluster-view.ts';
import { type Context, RETRY, WORKERS } from './context.ts';
import { modifyStep } from './modify-plan.ts';
import { Modifying } from './modifying.ts';
import { ANNOTATION } from './names.ts';
import { getIfThere } from './object-changes.ts';
import { resizeStep } from './resize-plan.ts';
import { type ResizeError, Resizing } from './resizing.ts';

/** What no later try will change is tried again after this long, in ms. */
const HOPELESS_MS = RETRY.mostMs;

/** What this process remembers of a claim; all of it can be lost. */
interface Memory {
  /** The last expansion ended with an error, and is not under way. */
  resizeEnded?: boolean;
  /** The last change of attributes ended, or never was of this process: it may be under way. */
  modifyEnded?: boolean;
  /** What is hopeless, and until when it is not tried again: by the wall clock in ms. */
  hopeless?: { readonly what: string; readonly until: number };
  why?: string;
}

export interface ChangeQueueOptions {
  readonly context: Context;
  readonly view: ClusterView;
  /** The room of the driver changed. */
  readonly onRoom: () => void;
}

export class ChangeQueue implements Disposable {
  readonly #options: ChangeQueueOptions;
  readonly #queue: WorkQueue;
  readonly #resizing: Resizing;
  readonly #modifying: Modifying;
  /** By the claim's uid. */
  readonly #memories = new Map<string, Memory>();
  /** By `namespace/name`. */
  readonly #gists = new Map<string, string>();

  constructor(options: ChangeQueueOptions) {
    this.#options = options;
    const { context, view } = options;
    this.#resizing = new Resizing(context);
    this.#modifying = new Modifying(context);
    const { clock, random, log } = context.options;
    this.#queue = new WorkQueue({
      ...RETRY,
      clock,
      random,
      workers: WORKERS,
      work: async (key, signal) => {
        try {
          await this.#work(key, signal);
        } catch (error) {
          if (!isConflict(error)) throw error;
          // The copy of the claim was an old one; the new one is on its way.
          this.#queue.addAfter(key, RETRY.firstMs);
        }
      },
      onError: (key, error, waitMs) => {
        const uid = view.claims.items.get(key)?.metadata.uid;
        if (uid !== undefined) this.#memory(uid).why = (error as Error).message;
        log.info('a change is tried again later', { claim: key, waitMs: Math.round(waitMs), error });
      },
    });
    view.on(CLAIMS, (keys) => {
      for (const key of keys) if (this.#isNews(key)) this.#queue.add(key);
    });
    view.on(VOLUMES, (names) => {
      for (const name of names) this.#addOf(view.volumes.items.get(name));
    });
    view.on(ATTRIBUTES_CLASSES, () => this.refresh());
  }

  /** Looks at everything again. */
  refresh(): void {
    for (const volume of this.#options.view.volumes.items.values()) this.#addOf(volume);
  }

  /** Claims whose change failed so far, and why. */
  get waiting(): readonly { readonly claim: string; readonly why: string }[] {
    return [...this.#options.view.claims.items].flatMap(([claim, { metadata }]) => {
      const why = this.#memories.get(metadata.uid ?? '')?.why;
      return why === undefined ? [] : [{ claim, why }];
    });
  }

  idle(): Promise<void> {
    return this.#queue.idle();
  }

  [Symbol.dispose](): void {
    this.#queue[Symbol.dispose]();
  }

  /** What is written here about a failure is no reason to try again at once. */
  #isNews(key: string): boolean {
    const claim = this.#options.view.claims.items.get(key);
    const gist = claim && gistOf(claim);
    const before = this.#gists.get(key);
    if (gist === undefined) this.#gists.delete(key);
    else this.#gists.set(key, gist);
    return gist === undefined || gist !== before;
  }

  #addOf(volume: PersistentVolume | undefined): void {
    const { namespace, name } = volume?.spec.claimRef ?? {};
    if (namespace !== undefined && name !== undefined) this.#queue.add(`${namespace}/${name}`);
  }

  async #work(key: string, signal: AbortSignal): Promise<void> {
    const { view } = this.#options;
    if (!view.ready) return;
    const claim = view.claims.items.get(key);
    const volume = claim
      ? view.volumes.items.get(claim.spec?.volumeName ?? '')
      : [...view.volumes.items.values()].find(({ spec }) => keyOfClaim(spec.claimRef) === key);
    if (!volume) return;
    await this.#forgetSizeBefore(claim, volume, signal);
    // What is not in view has what it asks for.
    const uid = claim?.metadata.uid ?? volume.spec.claimRef?.uid ?? '';
    if (!claim) {
      this.#memories.delete(uid);
      return;
    }
    const memory = this.#memory(uid);
    if (!(await this.#resize(key, claim, volume, memory, signal)))
      await this.#modify(key, claim, volume, memory, signal);
  }

  /** @returns true where it did something: the claim that was read is an old one now */
  async #resize(
    key: string,
    claim: PersistentVolumeClaim,
    volume: PersistentVolume,
    memory: Memory,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { context, onRoom } = this.#options;
    if (!context.options.calls.controllerExpandVolume) return false;
    const step = resizeStep(claim, volume, memory.resizeEnded === true);
    if (step.do === 'nothing') {
      delete memory.resizeEnded;
      delete memory.why;
      return false;
    }
    if (this.#isHopeless(key, `size ${step.size}`, memory)) return false;
    const failure = await this.#resizing.expand(claim, volume, step.size, step.isNew, signal);
    onRoom();
    memory.resizeEnded = failure?.isFinal === true;
    this.#ended(key, `size ${step.size}`, failure, memory);
    return true;
  }

  async #modify(
    key: string,
    claim: PersistentVolumeClaim,
    volume: PersistentVolume,
    memory: Memory,
    signal: AbortSignal,
  ): Promise<void> {
    const { context, view } = this.#options;
    if (!context.options.calls.controllerModifyVolume) return;
    const step = modifyStep(claim, view.attributesClasses.items, memory.modifyEnded !== true);
    switch (step.do) {
      case 'nothing':
        return;
      case 'forget':
        return this.#modifying.forget(claim, signal);
      case 'wait':
        if (view.attributesClasses.synced) await this.#modifying.wait(claim, step.target, signal);
        return;
      case 'modify': {
        const what = `attributes ${step.target.metadata.name}`;
        if (this.#isHopeless(key, what, memory)) return;
        const failure = await this.#modifying.modify(claim, volume, step.target, step.isNew, signal);
        memory.modifyEnded = failure?.isFinal !== false;
        return this.#ended(key, what, failure, memory);
      }
      default:
        step satisfies never;
    }
  }

  /** @throws RpcError so that it is tried again */
  #ended(key: string, what: string, failure: ResizeError | undefined, memory: Memory): void {
    delete memory.hopeless;
    delete memory.why;
    if (!failure) return;
    if (!failure.isInfeasible) throw failure.error;
    memory.why = failure.error.message;
    memory.hopeless = { what, until: this.#options.context.options.clock.now().wallMs + HOPELESS_MS };
    this.#queue.addAfter(key, HOPELESS_MS);
  }

  #isHopeless(key: string, what: string, { hopeless }: Memory): boolean {
    const left = (hopeless?.until ?? 0) - this.#options.context.options.clock.now().wallMs;
    if (left <= 0 || hopeless?.what !== what) return false;
    this.#queue.addAfter(key, left);
    return true;
  }

  /** A claim in view may be about to be expanded again; one that is not has all that its volume has, once it was read. */
  async #forgetSizeBefore(
    claim: PersistentVolumeClaim | undefined,
    volume: PersistentVolume,
    signal: AbortSignal,
  ): Promise<void> {
    if (volume.metadata.annotations?.[ANNOTATION.preResizeCapacity] === undefined) return;
    const { namespace = '', name = '', uid } = volume.spec.claimRef ?? {};
    const { client } = this.#options.context.options;
    const now = claim ?? (await getIfThere(client, CLAIMS, { namespace, name }, signal));
    if (now && now.metadata.uid === uid) await this.#resizing.forgetSizeBefore(now, volume, signal);
  }

  #memory(uid: string): Memory {
    let memory = this.#memories.get(uid);
    if (!memory) {
      memory = {};
      this.#memories.set(uid, memory);
    }
    return memory;
  }
}

/** What others write of a claim, and what is written here when something was achieved. */
function gistOf({ metadata, spec, status }: PersistentVolumeClaim): string {
  const state = status?.allocatedResourceStatuses?.['storage'] ?? '';
  return JSON.stringify([
    metadata.uid,
    spec?.volumeName,
    spec?.resources?.requests?.['storage'],
    spec?.volumeAttributesClassName,
    status?.phase,
    status?.capacity?.['storage'],
    state.startsWith('Node') && state,
    status?.currentVolumeAttributesClassName,
  ]);
}

function keyOfClaim(reference: { readonly namespace?: string; readonly name?: string } | undefined): string {
  return `${reference?.namespace}/${reference?.name}`;
}
