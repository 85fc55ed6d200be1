/**
 * `underpod csi local forget-node`: a node will not come back, and with it its volumes. Their objects would stay for ever: only the
 * node's own driver removes them. Claims hold on to what is lost, and their pods wait, unless the claims go, too.
 */

import { writeSync } from 'node:fs';
import { type FlagSpec, formatFlags, parseArguments } from '../../../shared/config/flags.ts';
import { UsageError } from '../../../shared/config/usage-error.ts';
import type { KubeClient } from '../../../shared/kube/client.ts';
import { isNotFound } from '../../../shared/kube/errors.ts';
import { NODES } from '../../../shared/kube/resource.ts';
import { CAPACITIES, CLAIMS, VOLUMES } from '../../../shared/kube/storage-resources.ts';
import { errorText } from '../../../shared/log/format.ts';
import { FINALIZER } from '../../driver/provision/names.ts';
import { operatorClient } from '../operator-client.ts';
import { type Fate, fatesOf, roomOf } from './plan.ts';

const FLAGS: readonly FlagSpec[] = [
  {
    name: 'kubeconfig',
    kind: 'string',
    value: 'FILE',
    help: "how to reach the Kubernetes API (default KUBECONFIG, or a pod's service account)",
  },
  {
    name: 'delete-claims',
    kind: 'boolean',
    help: 'claims that had volumes there as well: a StatefulSet gets new, empty ones elsewhere',
  },
  { name: 'dry-run', kind: 'boolean', help: 'only say what would be done' },
];

const tell = (text: string): void => void writeSync(1, `${text}\n`);

/** Exit codes: 0 nothing of the node is left, 1 something is, 2 asked for something that cannot be. */
export async function main(args: string[]): Promise<number> {
  try {
    const { values, rest, help } = parseArguments(args, FLAGS);
    if (help) {
      tell(
        `Usage: underpod csi local forget-node NODE [FLAGS]\n\nRemoves what is left in the cluster of the volumes of a node that is gone for good.\n\n${formatFlags(FLAGS)}`,
      );
      return 0;
    }
    const [node, surplus] = rest;
    if (node === undefined || surplus !== undefined) throw new UsageError('name one node: forget-node NODE');
    const is = (flag: string): boolean => values.get(flag)?.at(-1) === 'true';
    const client = operatorClient(values.get('kubeconfig')?.at(-1), 'forget-node');
    return await forget(client, node, is('delete-claims'), is('dry-run'));
  } catch (error) {
    writeSync(2, `underpod csi local forget-node: ${errorText(error)}\n`);
    return error instanceof UsageError ? 2 : 1;
  }
}

/** @throws UsageError for a node that is there; KubeError */
export async function forget(
  client: KubeClient,
  node: string,
  deleteClaims: boolean,
  dryRun: boolean,
): Promise<number> {
  if (await isThere(client, node))
    throw new UsageError(
      `node ${node} is part of the cluster: kubectl delete node ${node} first, once it is sure not to come back`,
    );
  const all = await client.list(VOLUMES, (volume) => volume);
  const fates = fatesOf(all.items, node, deleteClaims);
  for (const fate of fates) {
    tell(sentenceOf(fate, dryRun));
    if (!dryRun) await carryOut(client, fate);
  }
  const capacities = await client.list(CAPACITIES, (capacity) => capacity);
  for (const { metadata } of roomOf(capacities.items, node)) {
    tell(`${dryRun ? 'would remove' : 'removed'} csistoragecapacity ${metadata.namespace}/${metadata.name}`);
    if (!dryRun) await gone(client.delete(CAPACITIES, { ...metadata }));
  }
  const kept = fates.filter((fate) => fate.do === 'keep').length;
  if (kept > 0)
    tell(
      `${kept} claims hold volumes that are lost: --delete-claims deletes them, or delete them yourself and run this again`,
    );
  else tell(`nothing of ${node} is ${dryRun ? 'kept' : 'left'}`);
  return kept > 0 ? 1 : 0;
}

/** The claim first: while it is there its volume is bound to it. */
async function carryOut(client: KubeClient, fate: Fate): Promise<void> {
  if (fate.do === 'keep') return;
  if (fate.do === 'remove with claim')
    await gone(client.delete(CLAIMS, { namespace: fate.namespace, name: fate.claim }));
  await gone(client.delete(VOLUMES, { name: fate.volume }));
  await gone(removeFinalizer(client, fate.volume));
}

/** Ours: nobody else takes it away any more. Others' stay others'. */
async function removeFinalizer(client: KubeClient, name: string): Promise<void> {
  const { metadata } = await client.get(VOLUMES, { name });
  const { finalizers = [], resourceVersion } = metadata;
  if (!finalizers.includes(FINALIZER.volume)) return;
  const left = finalizers.filter((finalizer) => finalizer !== FINALIZER.volume);
  await client.patch(VOLUMES, 'merge', { metadata: { finalizers: left, resourceVersion } }, { name });
}

/** What is gone already is as good as removed. */
async function gone(work: Promise<unknown>): Promise<void> {
  await work.catch((error: unknown) => {
    if (!isNotFound(error)) throw error;
  });
}

async function isThere(client: KubeClient, name: string): Promise<boolean> {
  try {
    await client.get(NODES, { name });
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}

function sentenceOf(fate: Fate, dryRun: boolean): string {
  const verb = dryRun ? 'would remove' : 'removes';
  if (fate.do === 'keep') return `keeps persistentvolume ${fate.volume}: claim ${fate.claim} has it`;
  const with_ = fate.do === 'remove with claim' ? ` with claim ${fate.namespace}/${fate.claim}` : '';
  return `${verb} persistentvolume ${fate.volume}${with_}`;
}
