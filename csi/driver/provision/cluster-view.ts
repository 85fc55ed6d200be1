/** Copies of the cluster's objects that matter to a driver on a node, kept up to date. */

import type { Selection } from '../../../shared/kube/client.ts';
import { Reflector } from '../../../shared/kube/reflector.ts';
import type { Resource } from '../../../shared/kube/resource.ts';
import {
  ATTRIBUTES_CLASSES,
  CLAIMS,
  STORAGE_CLASSES,
  VOLUMES,
} from '../../../shared/kube/storage-resources.ts';
import type {
  PersistentVolume,
  PersistentVolumeClaim,
  StorageClass,
  VolumeAttributesClass,
} from '../../../shared/kube/storage-types.ts';
import type { ApiObject } from '../../../shared/kube/types.ts';
import { ApiHealth } from './api-health.ts';
import { keptClaim, keptVolume, slim } from './claim-view.ts';
import type { Context } from './context.ts';

/** The names of what changed: `namespace/name` or `name`. */
export type Changed = (keys: ReadonlySet<string>) => void;

export class ClusterView {
  readonly health: ApiHealth;
  readonly claims: Reflector<PersistentVolumeClaim, PersistentVolumeClaim>;
  readonly volumes: Reflector<PersistentVolume, PersistentVolume>;
  readonly classes: Reflector<StorageClass, StorageClass>;
  readonly attributesClasses: Reflector<VolumeAttributesClass, VolumeAttributesClass>;
  readonly #context: Context;
  readonly #running: Reflector<never, unknown>[] = [];
  readonly #listeners = new Map<string, Changed[]>();
  readonly #onBack: () => void;
  #hasBegun = false;

  /** @param onBack everything is to be looked at: all of it is known now, or the server is back */
  constructor(context: Context, onBack: () => void) {
    this.#context = context;
    this.#onBack = onBack;
    const { driver, node, log } = context.options;
    const needed = [CLAIMS, VOLUMES, STORAGE_CLASSES].map(({ plural }) => plural);
    this.health = new ApiHealth(log, needed, onBack);
    this.claims = this.follow(CLAIMS, (claim) => keptClaim(claim, driver));
    this.volumes = this.follow(VOLUMES, (volume) => keptVolume(volume, driver, node?.segments));
    this.classes = this.follow(STORAGE_CLASSES, (each) =>
      each.provisioner === driver ? slim(each) : undefined,
    );
    this.attributesClasses = this.follow(ATTRIBUTES_CLASSES, (each) =>
      each.driverName === driver ? slim(each) : undefined,
    );
  }

  /** Follows one more kind, from `run` on. */
  follow<T extends ApiObject>(
    resource: Resource<T>,
    project: (object: T) => T | undefined,
    selection: Selection = {},
  ): Reflector<T, T> {
    const reflector = this.copy(resource, project, selection);
    this.#running.push(reflector as unknown as Reflector<never, unknown>);
    return reflector;
  }

  /** A copy of one more kind, for the caller to run. */
  copy<T extends ApiObject>(
    resource: Resource<T>,
    project: (object: T) => T | undefined,
    selection: Selection = {},
  ): Reflector<T, T> {
    const { client, clock, random } = this.#context.options;
    const kind = resource.plural;
    return new Reflector<T, T>({
      ...selection,
      client,
      resource,
      clock,
      random,
      project,
      onChange: (keys) => {
        // A list is an answer, too: `onHealth` speaks only of watches.
        this.health.report(kind, undefined);
        if (this.#hasBegun) for (const listener of this.#listeners.get(kind) ?? []) listener(keys);
        else this.#begin();
      },
      onHealth: (error) => this.health.report(kind, error),
    });
  }

  /** Tells of changes of a kind, from when everything was seen once. */
  on(resource: Resource, listener: Changed): void {
    const listeners = this.#listeners.get(resource.plural) ?? [];
    this.#listeners.set(resource.plural, [...listeners, listener]);
  }

  /** True where what is seen is enough to act on: everything was read once, and the server answers. */
  get ready(): boolean {
    return this.health.reachable && this.claims.synced && this.volumes.synced && this.classes.synced;
  }

  #begin(): void {
    if (this.#hasBegun || !this.ready) return;
    this.#hasBegun = true;
    this.#onBack();
  }

  /** Works until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#running.map((reflector) => reflector.run(signal)));
  }
}
