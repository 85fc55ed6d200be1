/** Works on the claims of this node: decides, takes those that bind at once, provisions, and ends what was left half done. */

import { CLAIMS, STORAGE_CLASSES, VOLUMES } from '../../../shared/kube/storage-resources.ts';
import type { PersistentVolumeClaim, StorageClass } from '../../../shared/kube/storage-types.ts';
import { WorkQueue } from '../../../shared/kube/work-queue.ts';
import { claimStep } from './claim-step.ts';
import type { ClusterView } from './cluster-view.ts';
import { type Context, RETRY, WORKERS } from './context.ts';
import { NO_ROOM_MS } from './election.ts';
import type { Journal } from './journal.ts';
import { endLeftover } from './leftovers.ts';
import { volumeNameOf } from './names.ts';
import { Provisioning } from './provisioning.ts';
import { type TakingMemory, take } from './taking.ts';

/** What a hopeless claim waits, in ms, unless its class is replaced before. */
const HOPELESS_MS = RETRY.mostMs;

/** A source that is not ready is looked at this often, in ms: nobody tells of it. */
const SOURCE_MS = 2000;

export interface ClaimQueueOptions {
  readonly context: Context;
  readonly view: ClusterView;
  readonly journal: Journal;
  readonly identity: string;
  readonly component: string;
  /** The room of the driver changed. */
  readonly onRoom: () => void;
}

/** What this process remembers of a claim; all of it can be lost. */
interface Memory extends TakingMemory {
  /** Not before then, while it has this class. */
  hopeless?: { readonly until: number; readonly classUid: string };
  /** Its volume was made, though the copies of the cluster's objects do not show it yet; or they did. */
  volume?: 'made' | 'seen';
}

export class ClaimQueue implements Disposable {
  readonly #options: ClaimQueueOptions;
  readonly #provisioning: Provisioning;
  readonly #queue: WorkQueue;
  /** By the claim's uid. */
  readonly #memories = new Map<string, Memory>();

  constructor(options: ClaimQueueOptions) {
    this.#options = options;
    this.#provisioning = new Provisioning(options);
    const { clock, random, log } = options.context.options;
    this.#queue = new WorkQueue({
      ...RETRY,
      clock,
      random,
      workers: WORKERS,
      work: (key, signal) => this.#work(key, signal),
      onError: (key, error, waitMs) => {
        this.#note(key, (error as Error).message);
        log.info('a claim is tried again later', { claim: key, waitMs: Math.round(waitMs), error });
      },
    });
    const { view } = options;
    view.on(CLAIMS, (keys) => this.#addAll(keys));
    view.on(STORAGE_CLASSES, () => this.refresh());
    view.on(VOLUMES, (names) => {
      this.#leftovers(names);
      for (const [key, { metadata }] of view.claims.items)
        if (names.has(volumeNameOf(metadata.uid ?? ''))) this.#queue.add(key);
    });
  }

  /** Looks at everything again: whatever happened meanwhile was missed. */
  refresh(): void {
    this.#addAll(this.#options.view.claims.items.keys());
    this.#leftovers();
  }

  /** Claims that wait here, with what for. */
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

  #addAll(keys: Iterable<string>): void {
    for (const key of keys) this.#queue.add(key);
  }

  /** @param volumes only those of these names */
  #leftovers(volumes?: ReadonlySet<string>): void {
    for (const { claim, request } of this.#options.journal.all.values())
      if (!volumes || volumes.has(request.name))
        this.#queue.add(`${claim.metadata.namespace}/${claim.metadata.name}`);
  }

  async #work(key: string, signal: AbortSignal): Promise<void> {
    const { context, view, journal, identity } = this.#options;
    // `refresh` comes when it is.
    if (!view.ready) return;
    const claim = view.claims.items.get(key);
    if (claim) await this.#step(key, claim, signal);
    for (const begun of journal.all.values()) {
      const { namespace, name } = begun.claim.metadata;
      if (`${namespace}/${name}` !== key) continue;
      if (await endLeftover(context, journal, begun, identity, signal)) this.#options.onRoom();
    }
    if (!claim && this.#memories.size > 2 * view.claims.items.size) this.#forget();
  }

  async #step(key: string, claim: PersistentVolumeClaim, signal: AbortSignal): Promise<void> {
    const { context, view } = this.#options;
    const { driver, node, clock } = context.options;
    const uid = claim.metadata.uid ?? '';
    const step = claimStep(claim, { driver, node, classes: view.classes.items });
    const memory = this.#memories.get(uid) ?? { attempts: 0 };
    if (step.do === 'nothing') {
      if (step.why !== undefined) this.#memories.set(uid, { ...memory, why: step.why });
      else this.#memories.delete(uid);
      return;
    }
    this.#memories.set(uid, memory);
    if (view.volumes.items.has(volumeNameOf(uid))) {
      memory.volume = 'seen';
      return;
    }
    if (memory.volume === 'made') return;
    // Seen once, and deleted since: by hand, as no claim is bound to it.
    delete memory.volume;
    if (step.do === 'take') {
      const again = await take(context, claim, step.storageClass, memory, signal);
      if (again !== undefined) this.#queue.addAfter(key, again);
      return;
    }
    if (step.do === 'provision at source') {
      const isHere = await this.#provisioning.isSourceHere(claim, step.storageClass, signal);
      if (isHere === undefined) this.#queue.addAfter(key, SOURCE_MS);
      if (!isHere) return;
    }
    delete memory.takeAt;
    const { until = 0, classUid } = memory.hopeless ?? {};
    const left = until - clock.now().wallMs;
    if (left > 0 && classUid === step.storageClass.metadata.uid) {
      this.#queue.addAfter(key, left);
      return;
    }
    const outcome = await this.#provisioning.provision(claim, step.storageClass, signal);
    this.#ended(key, outcome, memory, step.storageClass);
    // There is no other node for it: room may come.
    if (outcome === 'elsewhere' && step.do === 'provision at source') {
      memory.why = 'the node that has its source has no room for it';
      this.#queue.addAfter(key, NO_ROOM_MS);
    }
  }

  #ended(
    key: string,
    outcome: Awaited<ReturnType<Provisioning['provision']>>,
    memory: Memory,
    storageClass: StorageClass,
  ): void {
    const { context, onRoom } = this.#options;
    onRoom();
    switch (outcome) {
      case 'done':
        memory.volume = 'made';
        delete memory.why;
        return;
      case 'elsewhere':
        memory.attempts += 1;
        memory.why = 'another node is to be chosen';
        return;
      case 'hopeless':
        memory.hopeless = {
          until: context.options.clock.now().wallMs + HOPELESS_MS,
          classUid: storageClass.metadata.uid ?? '',
        };
        memory.why = 'the driver cannot make such a volume';
        this.#queue.addAfter(key, HOPELESS_MS);
        return;
      default:
        outcome satisfies never;
    }
  }

  /** What is remembered of claims that are gone is forgotten. */
  #forget(): void {
    const { view } = this.#options;
    const uids = new Set([...view.claims.items.values()].map(({ metadata }) => metadata.uid));
    for (const uid of this.#memories.keys()) if (!uids.has(uid)) this.#memories.delete(uid);
  }

  #note(key: string, why: string): void {
    const uid = this.#options.view.claims.items.get(key)?.metadata.uid;
    const memory = uid === undefined ? undefined : this.#memories.get(uid);
    if (memory) memory.why = why;
  }
}
