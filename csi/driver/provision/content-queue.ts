/** Works on snapshots' contents, or on groups': what csi-snapshotter does beside a driver. */

import { isRpcError, type RpcError } from '../../../shared/grpc/error.ts';
import type { Reflector } from '../../../shared/kube/reflector.ts';
import type { Resource } from '../../../shared/kube/resource.ts';
import type { VolumeSnapshotClass } from '../../../shared/kube/snapshot-types.ts';
import { VOLUMES } from '../../../shared/kube/storage-resources.ts';
import type { ApiObject } from '../../../shared/kube/types.ts';
import { WorkQueue } from '../../../shared/kube/work-queue.ts';
import { goText, isFinalChange } from './call-error.ts';
import { ClassError } from './class-parameters.ts';
import type { ClusterView } from './cluster-view.ts';
import type { ClassParameters, ContentAnswer, ContentKind } from './content-kind.ts';
import { contentGist, contentStep, MANAGED_BY } from './content-step.ts';
import { type Context, RETRY, WORKERS } from './context.ts';
import { referenceTo, timeOf } from './event-recorder.ts';
import { changeMetadata, changeStatus, getIfThere, withoutFinalizer } from './object-changes.ts';

/** How long nobody's objects wait, in ms: of all nodes the first to look lets them go. */
const NOBODYS_MS = 30_000;

/** The driver is not done yet: looked at again as after a failure, but nobody need hear of it. */
class NotReadyError extends Error {
  override readonly name = 'NotReadyError';
}

/** What went wrong, told in the object as well as here. */
class ContentError extends Error {
  override readonly name = 'ContentError';
}

export class ContentQueue<T extends ApiObject> implements Disposable {
  readonly #context: Context;
  readonly #view: ClusterView;
  readonly #kind: ContentKind<T>;
  readonly #contents: Reflector<T, T>;
  readonly #queue: WorkQueue;
  /** By name. */
  readonly #gists = new Map<string, string>();
  readonly #failing = new Map<string, string>();

  /** @param contents of the kind, of this driver */
  constructor(context: Context, view: ClusterView, kind: ContentKind<T>, contents: Reflector<T, T>) {
    this.#context = context;
    this.#view = view;
    this.#kind = kind;
    this.#contents = contents;
    const { clock, random, log } = context.options;
    this.#queue = new WorkQueue({
      ...RETRY,
      clock,
      random,
      workers: WORKERS,
      work: (name, signal) => this.#work(name, signal),
      onError: (name, error, waitMs) => {
        if (error instanceof NotReadyError) return;
        this.#failing.set(name, (error as Error).message);
        log.info(`a ${kind.noun} is tried again later`, {
          content: name,
          waitMs: Math.round(waitMs),
          error,
        });
      },
    });
    view.on(kind.resource, (names) => {
      for (const name of names) if (this.#isNews(name)) this.#queue.add(name);
    });
    view.on(VOLUMES, (names) => {
      const handles = new Set([...names].map((name) => view.volumes.items.get(name)?.spec.csi?.volumeHandle));
      for (const [name, content] of contents.items)
        if (kind.volumesOf(content).some((handle) => handles.has(handle))) this.#queue.add(name);
    });
  }

  /** Contents that failed so far, and why. */
  get failing(): readonly { readonly content: string; readonly why: string }[] {
    return [...this.#failing].map(([content, why]) => ({ content, why }));
  }

  /** Looks at everything again. */
  refresh(): void {
    for (const name of this.#contents.items.keys()) this.#queue.add(name);
  }

  idle(): Promise<void> {
    return this.#queue.idle();
  }

  [Symbol.dispose](): void {
    this.#queue[Symbol.dispose]();
  }

  #isNews(name: string): boolean {
    const content = this.#contents.items.get(name);
    const { factsOf, names } = this.#kind;
    const { spec } = (content ?? {}) as { readonly spec?: unknown };
    const gist = content && contentGist(factsOf(content), spec, names);
    const before = this.#gists.get(name);
    if (gist === undefined) this.#gists.delete(name);
    else this.#gists.set(name, gist);
    return gist !== before;
  }

  async #work(name: string, signal: AbortSignal): Promise<void> {
    if (!this.#view.ready) return;
    const content = this.#contents.items.get(name);
    if (content) await this.#step(name, content, signal);
    this.#failing.delete(name);
  }

  async #step(name: string, content: T, signal: AbortSignal): Promise<void> {
    const { client } = this.#context.options;
    const { resource, names } = this.#kind;
    const facts = this.#kind.factsOf(content);
    const step = contentStep(facts, names);
    if (step === 'nothing') return;
    if (step === 'release' && !facts.metadata.finalizers?.includes(names.finalizer)) return;
    if (!(await this.#isOurs(content, signal))) {
      // Of what is nowhere any node may let go; not all of them at the same time.
      if (step !== 'release' || facts.handle !== undefined) return;
      if (!this.#isWaitOver(name)) return;
    }
    switch (step) {
      case 'create':
      case 'check':
        return this.#ask(content, step, facts.handle === undefined, signal);
      case 'unmark':
        return this.#mark(content, false, signal);
      case 'delete':
        await this.#delete(content, signal);
        await withoutFinalizer(client, resource, { name }, names.finalizer, signal);
        return;
      case 'release':
        await withoutFinalizer(client, resource, { name }, names.finalizer, signal);
        return;
      default:
        step satisfies never;
    }
  }

  readonly #waits = new Map<string, number>();

  /** True the second time, if the time is over. */
  #isWaitOver(name: string): boolean {
    const { clock, random } = this.#context.options;
    const now = clock.now().wallMs;
    const until = this.#waits.get(name) ?? now + NOBODYS_MS * (0.1 + 0.9 * random());
    if (until <= now) {
      this.#waits.delete(name);
      return true;
    }
    this.#waits.set(name, until);
    this.#queue.addAfter(name, until - now);
    return false;
  }

  /** By the label where there is one, else by where its volume is, else by what the driver knows. */
  async #isOurs(content: T, signal: AbortSignal): Promise<boolean> {
    const { node } = this.#context.options;
    if (!node) return true;
    const manager = content.metadata.labels?.[MANAGED_BY];
    if (manager !== undefined) return manager === node.name;
    const [first] = this.#kind.volumesOf(content);
    const { items } = this.#view.volumes;
    const isHere = [...items.values()].some(({ spec }) => spec.csi?.volumeHandle === first);
    if (first !== undefined && isHere) return true;
    const { handle, isGiven } = this.#kind.factsOf(content);
    return handle !== undefined || isGiven ? this.#kind.isHere(content, signal) : false;
  }

  /** Has the driver make it, or tell how it is, and writes down what it says. */
  async #ask(content: T, step: 'create' | 'check', isFirst: boolean, signal: AbortSignal): Promise<void> {
    const { reason, noun } = this.#kind;
    let answer: ContentAnswer;
    try {
      answer = step === 'create' ? await this.#create(content, signal) : await this.#check(content, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof ClassError || error instanceof ContentError || isRpcError(error))) throw error;
      const why = isRpcError(error) ? goText(error) : error.message;
      const isNew = step === 'create' && isFirst && this.#kind.errorOf(content) === undefined;
      if (isNew)
        await this.#fail(content, `${reason}CreationFailed`, `Failed to create ${noun}: ${why}`, signal);
      else {
        const what = `${reason}ContentCheckandUpdateFailed`;
        await this.#fail(content, what, `Failed to check and update ${noun} content: ${why}`, signal);
      }
      throw error;
    }
    await this.#write(content, answer.status, signal);
    await this.#mark(content, false, signal);
    if (!answer.isReady) throw new NotReadyError(`${content.metadata.name} is not ready`);
    this.#context.options.log.info(`${noun} is ready`, { content: content.metadata.name });
  }

  async #create(content: T, signal: AbortSignal): Promise<ContentAnswer> {
    const { noun } = this.#kind;
    const { name } = content.metadata;
    const parameters = await this.#parameters(content, signal);
    if (!parameters) throw new ContentError(`failed to take ${noun} ${name} without a ${noun} class`);
    const secrets = await this.#secrets(content, signal);
    await this.#mark(content, true, signal);
    try {
      return await this.#kind.create(content, parameters, secrets, signal);
    } catch (error) {
      if (!isRpcError(error)) throw error;
      signal.throwIfAborted();
      if (isFinalChange(error)) await this.#mark(content, false, signal);
      const of = this.#kind.volumesOf(content).join(' ');
      throw new ContentError(`failed to take ${noun} of the volume ${of}: "${goText(error)}"`, {
        cause: error,
      });
    }
  }

  async #check(content: T, signal: AbortSignal): Promise<ContentAnswer> {
    const parameters = await this.#parameters(content, signal);
    const reference = parameters && this.#kind.checkSecret(content, parameters);
    const secrets = reference
      ? await this.#context.secret(reference, signal)
      : await this.#secrets(content, signal);
    return this.#kind.check(content, secrets, signal);
  }

  async #delete(content: T, signal: AbortSignal): Promise<void> {
    const { reason, noun, cleared } = this.#kind;
    try {
      const secrets = await this.#secrets(content, signal);
      await this.#kind.delete(content, secrets, signal);
    } catch (error) {
      signal.throwIfAborted();
      this.#say(content, `${reason}DeleteError`, `Failed to delete ${noun}`);
      throw error;
    }
    await this.#write(content, cleared, signal);
    this.#context.options.log.info(`${noun} is deleted`, { content: content.metadata.name });
  }

  /** The class's; `undefined`: the content has none. @throws ContentError where it is not there */
  async #parameters(content: T, signal: AbortSignal): Promise<ClassParameters | undefined> {
    const { className } = this.#kind.specOf(content);
    if (className === undefined) return undefined;
    const classes = this.#kind.classes as Resource<VolumeSnapshotClass>;
    const found = await getIfThere(this.#context.options.client, classes, { name: className }, signal);
    if (!found) throw new ContentError(`the class "${className}" of the ${this.#kind.noun} is not there`);
    return found.parameters ?? {};
  }

  /** By the annotations that the snapshot controller copies from the class. */
  async #secrets({ metadata }: T, signal: AbortSignal): Promise<Record<string, string>> {
    const { secretName, secretNamespace } = this.#kind.names;
    const name = metadata.annotations?.[secretName];
    const namespace = metadata.annotations?.[secretNamespace];
    return this.#context.secret(name && namespace ? { name, namespace } : undefined, signal);
  }

  async #mark({ metadata: { name } }: T, on: boolean, signal: AbortSignal): Promise<void> {
    const { resource, names } = this.#kind;
    const change = ({ metadata: { annotations = {} } }: T): object | undefined =>
      (annotations[names.beingCreated] !== undefined) === on
        ? undefined
        : { annotations: { [names.beingCreated]: on ? 'yes' : null } };
    await changeMetadata(this.#context.options.client, resource, { name }, change, signal);
  }

  async #write({ metadata: { name } }: T, status: object, signal: AbortSignal): Promise<void> {
    const { client } = this.#context.options;
    await changeStatus(client, this.#kind.resource, { name }, () => ({ status }), signal);
  }

  /** Said where it was not said before, in the object and as an event. */
  async #fail(content: T, reason: string, message: string, signal: AbortSignal): Promise<void> {
    if (this.#kind.errorOf(content) === message) return;
    this.#say(content, reason, message);
    const time = timeOf(this.#context.options.clock.now().wallMs);
    await this.#write(content, { readyToUse: false, error: { time, message } }, signal);
  }

  #say(content: T, reason: string, message: string): void {
    const { kind, apiVersion } = this.#kind;
    const component = `csi-snapshotter ${this.#context.options.driver}`;
    this.#context.event(component, referenceTo(kind, apiVersion, content), 'Warning', reason, message);
  }
}

/** True for an answer that says that there is no such thing. */
export function saysNothingThere(error: unknown): error is RpcError {
  return isRpcError(error, 'NOT_FOUND');
}
