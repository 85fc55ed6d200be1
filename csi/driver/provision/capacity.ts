/** Tells the scheduler how much room this node's driver has, by class: external-provisioner's --enable-capacity. */

import { isAlreadyExists, isNotFound } from '../../../shared/kube/errors.ts';
import type { Reflector } from '../../../shared/kube/reflector.ts';
import { PODS } from '../../../shared/kube/resource.ts';
import { CAPACITIES, STORAGE_CLASSES } from '../../../shared/kube/storage-resources.ts';
import type { CsiStorageCapacity, StorageClass } from '../../../shared/kube/storage-types.ts';
import type { OwnerReference } from '../../../shared/kube/types.ts';
import { WorkQueue } from '../../../shared/kube/work-queue.ts';
import {
  type CapacityOptions,
  capacityPlan,
  DRIVER_LABEL,
  isTold,
  MANAGER_LABEL,
  managerName,
  type Room,
} from './capacity-plan.ts';
import type { OwnNode } from './claim-step.ts';
import { slim } from './claim-view.ts';
import { driverParameters } from './class-parameters.ts';
import type { ClusterView } from './cluster-view.ts';
import { type Context, RETRY } from './context.ts';
import { getIfThere } from './object-changes.ts';

/** How often it is looked at all the same, in ms: others write to the same disk. */
const EVERY_MS = 60_000;
/** Changes of that many ms are told together. */
const TOGETHER_MS = 1000;
/** apimachinery's rand.String: no vowels, nothing that looks like another. */
const LETTERS = 'bcdfghjklmnpqrstvwxz2456789';
const KEY = 'capacity';

/** Where the objects live, and who takes them along when it goes. */
export interface CapacityPlace {
  readonly namespace: string;
  /** Of the driver's pod: whoever controls it (a DaemonSet) owns the objects. */
  readonly pod?: string;
}

export class Capacity implements Disposable {
  readonly #context: Context;
  readonly #view: ClusterView;
  readonly #place: CapacityPlace;
  readonly #node: OwnNode;
  readonly #manager: string;
  readonly #objects: Reflector<CsiStorageCapacity, CsiStorageCapacity>;
  readonly #queue: WorkQueue;
  #owner: OwnerReference | undefined;
  #isOwnerKnown = false;
  #isDue = false;
  #hasTold = false;
  #rooms: readonly Room[] = [];

  constructor(context: Context, view: ClusterView, node: OwnNode, place: CapacityPlace) {
    const { driver, clock, random, log } = context.options;
    this.#context = context;
    this.#view = view;
    this.#node = node;
    this.#place = place;
    this.#manager = managerName(node.name);
    const labelSelector = `${DRIVER_LABEL}=${driver},${MANAGER_LABEL}=${this.#manager}`;
    this.#objects = view.follow(CAPACITIES, slim, { namespace: place.namespace, labelSelector });
    this.#queue = new WorkQueue({
      ...RETRY,
      clock,
      random,
      work: (_, signal) => this.#work(signal),
      onError: (_, error, waitMs) =>
        log.warn('the room of this node is told later', { waitMs: Math.round(waitMs), error }),
    });
    view.on(STORAGE_CLASSES, () => this.changed());
    view.on(CAPACITIES, () => (this.#hasTold ? this.changed() : this.refresh()));
  }

  /** What the driver said last. */
  get rooms(): readonly Room[] {
    return this.#rooms;
  }

  /** The room changed, or may have. */
  changed(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    this.#queue.addAfter(KEY, TOGETHER_MS);
  }

  refresh(): void {
    this.#queue.add(KEY);
  }

  idle(): Promise<void> {
    return this.#queue.idle();
  }

  [Symbol.dispose](): void {
    this.#queue[Symbol.dispose]();
  }

  async #work(signal: AbortSignal): Promise<void> {
    this.#isDue = false;
    // `refresh` comes when it is, and a list of these objects is a change, too.
    if (!this.#view.ready || !this.#objects.synced) return;
    const { client } = this.#context.options;
    const { namespace } = this.#place;
    await this.#findOwner(signal);
    const rooms: Room[] = [];
    const silent = new Set<string>();
    for (const storageClass of this.#view.classes.items.values()) {
      if (!isTold(storageClass)) continue;
      const room = await this.#ask(storageClass, signal);
      if (room) rooms.push(room);
      else silent.add(storageClass.metadata.name);
    }
    this.#rooms = rooms;
    const plan = capacityPlan(rooms, silent, [...this.#objects.items.values()], this.#options());
    for (const object of plan.create) await this.#create(object, signal);
    for (const { name, patch } of plan.update)
      await ifThere(client.patch(CAPACITIES, 'merge', patch, { namespace, name, signal }));
    for (const name of plan.remove) await ifThere(client.delete(CAPACITIES, { namespace, name, signal }));
    this.#hasTold = true;
    if (!this.#isDue) this.#queue.addAfter(KEY, EVERY_MS);
  }

  async #ask(
    { metadata: { name }, parameters }: StorageClass,
    signal: AbortSignal,
  ): Promise<Room | undefined> {
    const { getCapacity } = this.#context.options.calls;
    if (!getCapacity) return undefined;
    const { segments } = this.#node;
    try {
      const request = { parameters: driverParameters(parameters), accessibleTopology: { segments } };
      const answer = await this.#context.call(signal, (each) => getCapacity(request, each));
      return {
        className: name,
        available: answer.availableCapacity,
        largest: answer.maximumVolumeSize?.value,
      };
    } catch (error) {
      signal.throwIfAborted();
      // Of one class only: the others' room is told all the same.
      this.#context.options.log.debug('the driver does not tell its room', { storageClass: name, error });
      return undefined;
    }
  }

  async #create(object: CsiStorageCapacity, signal: AbortSignal): Promise<void> {
    const { client } = this.#context.options;
    const { namespace } = this.#place;
    try {
      await client.create(CAPACITIES, object, { namespace, signal });
    } catch (error) {
      // Another node drew the same name: once more, with another.
      if (isAlreadyExists(error)) this.changed();
      else throw error;
    }
  }

  /** @throws KubeError */
  async #findOwner(signal: AbortSignal): Promise<void> {
    const { pod: name, namespace } = this.#place;
    if (this.#isOwnerKnown || name === undefined) return;
    const pod = await getIfThere(this.#context.options.client, PODS, { namespace, name }, signal);
    this.#owner = pod?.metadata.ownerReferences?.find(({ controller }) => controller === true);
    this.#isOwnerKnown = true;
  }

  #options(): CapacityOptions {
    const { driver, random } = this.#context.options;
    const letter = (): string => LETTERS.charAt(Math.floor(random() * LETTERS.length));
    const owner = this.#owner && {
      apiVersion: this.#owner.apiVersion,
      kind: this.#owner.kind,
      name: this.#owner.name,
      uid: this.#owner.uid,
      controller: true,
    };
    return {
      driver,
      manager: this.#manager,
      namespace: this.#place.namespace,
      segments: this.#node.segments,
      owner,
      suffix: () => Array.from({ length: 5 }, letter).join(''),
    };
  }
}

async function ifThere(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
