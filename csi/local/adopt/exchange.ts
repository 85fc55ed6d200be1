/** Exchanges the object of a volume while its claim stays: deleted, the data moved, made anew under the same name. */

import type { KubeClient } from '../../../shared/kube/client.ts';
import { isAlreadyExists, isNotFound } from '../../../shared/kube/errors.ts';
import { PODS, type Resource } from '../../../shared/kube/resource.ts';
import { VOLUMES } from '../../../shared/kube/storage-resources.ts';
import type { PersistentVolume } from '../../../shared/kube/storage-types.ts';
import {
  type Adoption,
  adoptionOf,
  type ClaimingPod,
  type PathVolume,
  replacementOf,
  usersOf,
} from './plan.ts';

const PATH_VOLUMES = VOLUMES as Resource<PathVolume>;
const CLAIMING_PODS = PODS as Resource<ClaimingPod>;

/** What was begun: by it an adoption that was cut off goes on, or back. */
export interface Begun {
  readonly before: PathVolume;
  readonly after: PersistentVolume;
  readonly adoption: Adoption;
}

export interface Notes {
  get(): Begun | undefined;
  /** Kept durably when it returns. */
  put(begun: Begun): void;
  remove(): void;
}

/** Something is in the way, and nothing was changed. */
export class Refused extends Error {
  override readonly name = 'Refused';
}

export interface ExchangeOptions {
  readonly client: KubeClient;
  /** The volume's name. */
  readonly name: string;
  readonly node: string;
  readonly notes: Notes;
  /**
   * Moves the data; once it has, it does nothing when it is called again.
   *
   * @throws Refused; any other error leaves open where the data is, until the next call
   */
  readonly move: (adoption: Adoption) => Promise<void>;
}

/** @throws Refused: everything is as it was; any other error: the next call goes on */
export async function exchange(options: ExchangeOptions): Promise<Adoption> {
  const { client, name, node, notes, move } = options;
  const begun = notes.get() ?? (await begin(client, name, node));
  const { before, after, adoption } = begun;
  await checkUnused(client, adoption);
  notes.put(begun);
  // Without its volume the claim is lost for a moment, and no pod with it is started.
  await removeObject(client, before);
  try {
    await checkUnused(client, adoption);
    await move(adoption);
  } catch (error) {
    if (!(error instanceof Refused))
      throw new Error(`volume ${name} is half taken over: run this again`, { cause: error });
    // The data is where it was.
    await createObject(client, before);
    notes.remove();
    throw error;
  }
  await createObject(client, after);
  notes.remove();
  return adoption;
}

async function begin(client: KubeClient, name: string, node: string): Promise<Begun> {
  const before = await client.get(PATH_VOLUMES, { name });
  const adoption = adoptionOf(before, node);
  return { before, after: replacementOf(before, adoption, node), adoption };
}

async function checkUnused(client: KubeClient, { claim }: Adoption): Promise<void> {
  if (!claim) return;
  const pods = await client.list(CLAIMING_PODS, (pod) => pod, { namespace: claim.namespace });
  const users = usersOf(pods.items, claim.name);
  if (users.length > 0)
    throw new Refused(
      `claim ${claim.namespace}/${claim.name} is used by ${users.join(', ')}: scale down or delete them first`,
    );
}

/** Its own finalizer would keep it for as long as the claim has it. Only this very object: another of that name stays. */
async function removeObject(client: KubeClient, { metadata: { name, uid } }: PathVolume): Promise<void> {
  try {
    const now = await client.get(PATH_VOLUMES, { name });
    if (now.metadata.uid !== uid) return;
    await client.delete(PATH_VOLUMES, { name });
    await client.patch(PATH_VOLUMES, 'merge', { metadata: { finalizers: null, uid } }, { name });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

/** What the server gives an object is not for another. */
async function createObject(client: KubeClient, object: PersistentVolume): Promise<void> {
  const { uid: _uid, resourceVersion: _version, creationTimestamp: _created, ...metadata } = object.metadata;
  const { status: _status, ...rest } = object;
  try {
    await client.create(VOLUMES, { ...rest, metadata });
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
}
