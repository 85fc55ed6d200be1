/** Takes claims that bind at once for this node: see election.ts. */

import { isConflict, isNotFound } from '../../../shared/kube/errors.ts';
import { CLAIMS } from '../../../shared/kube/storage-resources.ts';
import type { PersistentVolumeClaim, StorageClass } from '../../../shared/kube/storage-types.ts';
import { ClassError } from './class-parameters.ts';
import type { Context } from './context.ts';
import { requestedBytes, SourceError, sourceOf } from './data-source.ts';
import { electionDelay, NO_ROOM_MS } from './election.ts';
import { ANNOTATION } from './names.ts';
import { type Prepared, prepare } from './prepare.ts';

/** What is remembered between two looks at a claim. */
export interface TakingMemory {
  /** When it is this node's turn, by the wall clock in ms. */
  takeAt?: number;
  /** How often this node took it and could not make its volume. */
  attempts: number;
  /** For people. */
  why?: string;
}

/** After a write that came too late the copy of the claim is soon a newer one. */
const AGAIN_MS = 1000;

/**
 * One look at a claim that nobody has taken.
 *
 * @returns in how many ms to look again; `undefined`: it was taken, and the change is seen soon
 * @throws KubeError, RpcError
 */
export async function take(
  context: Context,
  claim: PersistentVolumeClaim,
  storageClass: StorageClass,
  memory: TakingMemory,
  signal: AbortSignal,
): Promise<number | undefined> {
  const { clock, random } = context.options;
  const now = clock.now().wallMs;
  if (memory.takeAt !== undefined && memory.takeAt > now) return memory.takeAt - now;
  const requested = requestedBytes(claim);
  const room = await roomFor(context, claim, storageClass, signal);
  if (room !== undefined && room < requested) {
    delete memory.takeAt;
    memory.why = 'this node has no room for it';
    return NO_ROOM_MS;
  }
  memory.why = 'no node has taken it yet';
  if (memory.takeAt === undefined) {
    const delay = electionDelay(requested, room, memory.attempts, random());
    memory.takeAt = now + delay;
    return delay;
  }
  delete memory.takeAt;
  return (await writeOurName(context, claim, signal)) ? undefined : AGAIN_MS;
}

/**
 * Bytes that this node has for the claim's volume; -1: what it is to be made from is elsewhere. `undefined`: the driver does
 * not tell, or no request can be made of the claim, which whoever takes it then tells its user (as external-provisioner).
 */
async function roomFor(
  context: Context,
  claim: PersistentVolumeClaim,
  storageClass: StorageClass,
  signal: AbortSignal,
): Promise<bigint | undefined> {
  const { calls, node } = context.options;
  let prepared: Prepared;
  try {
    const source = sourceOf(claim);
    if (source.kind === 'populator') return undefined;
    prepared = await prepare(context, claim, storageClass, source, signal);
  } catch (error) {
    if (error instanceof ClassError || error instanceof SourceError) return undefined;
    throw error;
  }
  if (!prepared.isSourceHere) return -1n;
  const { getCapacity } = calls;
  if (!getCapacity) return undefined;
  const { volumeCapabilities = [], parameters = {} } = prepared.request;
  const topology = node && { accessibleTopology: { segments: node.segments } };
  const answer = await context.call(signal, (each) =>
    getCapacity({ volumeCapabilities, parameters, ...topology }, each),
  );
  return answer.availableCapacity;
}

/** @returns false where somebody changed the claim since it was read */
async function writeOurName(
  context: Context,
  { metadata }: PersistentVolumeClaim,
  signal: AbortSignal,
): Promise<boolean> {
  const { client, node } = context.options;
  const { namespace = '', name, resourceVersion } = metadata;
  const patch = { metadata: { resourceVersion, annotations: { [ANNOTATION.selectedNode]: node?.name } } };
  try {
    await client.patch(CLAIMS, 'merge', patch, { namespace, name, signal });
    return true;
  } catch (error) {
    if (isConflict(error) || isNotFound(error)) return false;
    throw error;
  }
}
