/** Ends what was begun for a claim that is gone, or another node's by now: the volume that may be there is deleted. */

import type { Volume } from '#messages/csi';
import type { RpcError } from '../../../shared/grpc/error.ts';
import { CLAIMS, VOLUMES } from '../../../shared/kube/storage-resources.ts';
import { leavesNothing } from './call-error.ts';
import { hasSource } from './claim-step.ts';
import type { Context } from './context.ts';
import { claimSecrets } from './create-request.ts';
import type { Begun, Journal } from './journal.ts';
import { ANNOTATION, volumeNameOf } from './names.ts';
import { createIfMissing, getIfThere } from './object-changes.ts';
import { releaseSource } from './source-protection.ts';
import { isReachable } from './topology.ts';
import { volumeObject } from './volume-object.ts';

/**
 * Looks after one of the journal's entries.
 *
 * The volume's id is known only by asking for the volume again: the driver answers with the one that it made, or makes it now
 * to be deleted at once, or says for certain that there is none. Where the class retains volumes it gets its PersistentVolume
 * all the same, as a sidecar would give it one: nobody but its owner deletes it.
 *
 * @returns false where the claim is there and its volume is still to be made here
 * @throws RpcError, KubeError: to be tried again
 */
export async function endLeftover(
  context: Context,
  journal: Journal,
  begun: Begun,
  identity: string,
  signal: AbortSignal,
): Promise<boolean> {
  const { client, driver, node, log } = context.options;
  const { claim, isNothing } = begun;
  const { namespace = '', name, uid = '' } = claim.metadata;
  const now = await getIfThere(client, CLAIMS, { namespace, name }, signal);
  const selected = now?.metadata.annotations?.[ANNOTATION.selectedNode];
  const volume = await getIfThere(client, VOLUMES, { name: volumeNameOf(uid) }, signal);
  if (volume?.spec.csi?.driver === driver && isReachable(volume.spec.nodeAffinity, node?.segments)) {
    // It was handed over; only the note of it was left.
    await releaseSource(context, journal, claim, signal);
    journal.remove(uid);
    return true;
  }
  // One with a source is made where that is, whether the scheduler has said so or not.
  const isOurs = !node || selected === node.name || (!selected && now !== undefined && hasSource(now));
  if (!volume && now?.metadata.uid === uid && !now.spec?.volumeName && isOurs) return false;
  if (!isNothing) await endVolume(context, begun, identity, signal);
  await releaseSource(context, journal, claim, signal);
  journal.remove(uid);
  log.info('what was begun for a claim that is gone is gone, too', { claim: `${namespace}/${name}`, uid });
  return true;
}

/** Finds the volume, if there is one, and deletes it, or hands it over where its class retains volumes. */
async function endVolume(
  context: Context,
  { claim, storageClass, request }: Begun,
  identity: string,
  signal: AbortSignal,
): Promise<void> {
  const { client, calls, driver, node } = context.options;
  const references = claimSecrets(claim, storageClass);
  const secrets = await context.secretIfThere(references.provisioner, signal);
  let found: Volume | undefined;
  try {
    found = (await context.call(signal, (each) => calls.createVolume({ ...request, secrets }, each))).volume;
  } catch (error) {
    if (!leavesNothing(error as RpcError)) throw error;
  }
  if (found && storageClass.reclaimPolicy === 'Retain') {
    const origin = { driver, identity, hasTopology: node !== undefined, secrets: references };
    await createIfMissing(client, volumeObject(claim, storageClass, found, origin), signal);
  } else if (found) {
    const { volumeId } = found;
    await context.call(signal, (each) => calls.deleteVolume({ volumeId, secrets }, each));
  }
}
