/** What is left in the cluster of a node that is gone for good. Pure. */

import type { CsiStorageCapacity, PersistentVolume } from '../../../shared/kube/storage-types.ts';
import { isReachable } from '../../driver/provision/topology.ts';
import { DRIVER_NAME } from '../name.ts';
import { TOPOLOGY_KEY } from '../topology-key.ts';

/** What becomes of one volume. */
export type Fate =
  /** Nobody wants it: it goes. */
  | { readonly do: 'remove'; readonly volume: string }
  /** A claim has it, which goes as well: whoever made it makes another. */
  | {
      readonly do: 'remove with claim';
      readonly volume: string;
      readonly namespace: string;
      readonly claim: string;
    }
  /** A claim has it, and stays. */
  | { readonly do: 'keep'; readonly volume: string; readonly claim: string };

/** @param deleteClaims whether claims of volumes that are lost are deleted */
export function fatesOf(
  volumes: readonly PersistentVolume[],
  node: string,
  deleteClaims: boolean,
): readonly Fate[] {
  return volumes.filter((volume) => isOf(volume, node)).map((volume) => fateOf(volume, deleteClaims));
}

/** Room that a node has no more. */
export function roomOf(
  capacities: readonly CsiStorageCapacity[],
  node: string,
): readonly CsiStorageCapacity[] {
  return capacities.filter(({ nodeTopology }) => nodeTopology?.matchLabels?.[TOPOLOGY_KEY] === node);
}

/** Only what says where it is: a volume that is reached from everywhere is nobody's. */
function isOf({ spec }: PersistentVolume, node: string): boolean {
  if (spec.csi?.driver !== DRIVER_NAME || !spec.nodeAffinity) return false;
  return isReachable(spec.nodeAffinity, { [TOPOLOGY_KEY]: node });
}

function fateOf({ metadata: { name }, spec, status }: PersistentVolume, deleteClaims: boolean): Fate {
  const { claimRef } = spec;
  if (status?.phase !== 'Bound' || !claimRef?.namespace || !claimRef.name)
    return { do: 'remove', volume: name };
  if (!deleteClaims) return { do: 'keep', volume: name, claim: `${claimRef.namespace}/${claimRef.name}` };
  return { do: 'remove with claim', volume: name, namespace: claimRef.namespace, claim: claimRef.name };
}
