/** Small changes to objects that several parts make, each safe to repeat. */

import type { KubeClient } from '../../../shared/kube/client.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../../../shared/kube/errors.ts';
import type { Resource, Target } from '../../../shared/kube/resource.ts';
import { VOLUMES } from '../../../shared/kube/storage-resources.ts';
import type { PersistentVolume } from '../../../shared/kube/storage-types.ts';
import type { ApiObject } from '../../../shared/kube/types.ts';

type Where = Target & { readonly name: string };

/** How often a change is begun anew because somebody else changed the object. */
const TRIES = 8;

/** `undefined` for what is not there. */
export async function getIfThere<T extends ApiObject>(
  client: KubeClient,
  resource: Resource<T>,
  target: Where,
  signal: AbortSignal,
): Promise<T | undefined> {
  try {
    return await client.get(resource, { ...target, signal });
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** Makes a PersistentVolume, unless a try before this one came as far. */
export async function createIfMissing(
  client: KubeClient,
  volume: PersistentVolume,
  signal: AbortSignal,
): Promise<void> {
  try {
    await client.create(VOLUMES, volume, { signal });
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
}

/**
 * Reads an object, changes its metadata, and writes it, unless somebody changed it meanwhile: then again.
 *
 * @param change what to merge into the metadata; `undefined`: nothing is to be done
 * @returns the object as it is now; `undefined`: there is none
 */
export async function changeMetadata<T extends ApiObject>(
  client: KubeClient,
  resource: Resource<T>,
  target: Where,
  change: (object: T) => object | undefined,
  signal: AbortSignal,
): Promise<T | undefined> {
  for (let tries = 1; ; tries++) {
    const object = await getIfThere(client, resource, target, signal);
    const metadata = object && change(object);
    if (!metadata) return object;
    const { resourceVersion } = object.metadata;
    try {
      const patch = { metadata: { resourceVersion, ...metadata } };
      return await client.patch(resource, 'merge', patch, { ...target, signal });
    } catch (error) {
      if (isNotFound(error)) return undefined;
      if (!isConflict(error) || tries === TRIES) throw error;
    }
  }
}

/** Adds a finalizer where it is not there yet. */
export function withFinalizer<T extends ApiObject>(
  client: KubeClient,
  resource: Resource<T>,
  target: Where,
  finalizer: string,
  signal: AbortSignal,
): Promise<T | undefined> {
  const add = ({ metadata: { finalizers = [] } }: T): object | undefined =>
    finalizers.includes(finalizer) ? undefined : { finalizers: [...finalizers, finalizer] };
  return changeMetadata(client, resource, target, add, signal);
}

/** Takes a finalizer away where it is there. */
export function withoutFinalizer<T extends ApiObject>(
  client: KubeClient,
  resource: Resource<T>,
  target: Where,
  finalizer: string,
  signal: AbortSignal,
): Promise<T | undefined> {
  const remove = ({ metadata: { finalizers = [] } }: T): object | undefined =>
    finalizers.includes(finalizer)
      ? { finalizers: finalizers.filter((each) => each !== finalizer) }
      : undefined;
  return changeMetadata(client, resource, target, remove, signal);
}

/**
 * Reads an object, changes its status (and annotations), and writes it, unless somebody changed it meanwhile: then again.
 *
 * @param change a merge patch; `undefined`: nothing is to be done
 * @returns the object as it is now; `undefined`: there is none
 */
export async function changeStatus<T extends ApiObject>(
  client: KubeClient,
  resource: Resource<T>,
  target: Where,
  change: (object: T) => StatusPatch | undefined,
  signal: AbortSignal,
): Promise<T | undefined> {
  for (let tries = 1; ; tries++) {
    const object = await getIfThere(client, resource, target, signal);
    const changes = object && change(object);
    if (!changes) return object;
    try {
      return await patchStatus(client, resource, object, changes, signal);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      if (!isConflict(error) || tries === TRIES) throw error;
    }
  }
}

export interface StatusPatch {
  readonly metadata?: object;
  readonly status: object | null;
}

/** Writes one patch of an object's status, if the object is as it was read. @throws KubeError, isConflict: it is not */
export function patchStatus<T extends ApiObject>(
  client: KubeClient,
  resource: Resource<T>,
  { metadata: { namespace, name, resourceVersion } }: T,
  { metadata, status }: StatusPatch,
  signal: AbortSignal,
): Promise<T> {
  const where = { name, subresource: 'status', ...(namespace !== undefined && { namespace }), signal };
  return client.patch(resource, 'merge', { metadata: { resourceVersion, ...metadata }, status }, where);
}
