/** Whether a volume of local-path can be taken over, and what its object becomes. Pure. */

import { parseQuantity } from '../../../shared/kube/quantity.ts';
import type { PersistentVolume } from '../../../shared/kube/storage-types.ts';
import type { Pod } from '../../../shared/kube/types.ts';
import { ANNOTATION, FINALIZER } from '../../driver/provision/names.ts';
import { affinityOf, isReachable } from '../../driver/provision/topology.ts';
import { isId } from '../ids.ts';
import { DRIVER_NAME } from '../name.ts';
import { GRAIN } from '../sizes.ts';
import { TOPOLOGY_KEY } from '../topology-key.ts';

/** Before this driver's: a directory of the node. */
export interface PathVolume extends PersistentVolume {
  readonly spec: PersistentVolume['spec'] & {
    readonly hostPath?: { readonly path: string };
    readonly local?: { readonly path: string };
  };
}

/** The pods' part that says which claims they use. */
export interface ClaimingPod extends Pod {
  readonly spec?: Pod['spec'] & {
    readonly volumes?: readonly { readonly persistentVolumeClaim?: { readonly claimName: string } }[];
  };
}

export interface Adoption {
  readonly id: string;
  /** Where the data is. */
  readonly path: string;
  /** Bytes that were asked for. */
  readonly size: number;
  readonly claim?: { readonly namespace: string; readonly name: string };
}

/** What keeps the API server from deleting a volume that a claim has; nobody else waits for it. */
const PROTECTION = 'kubernetes.io/pv-protection';

/** @param node the name of this one @throws Error that says what is in the way */
export function adoptionOf(volume: PathVolume, node: string): Adoption {
  const { metadata, spec } = volume;
  const { name, finalizers = [], deletionTimestamp } = metadata;
  const path = spec.local?.path ?? spec.hostPath?.path;
  if (path === undefined)
    throw new Error(
      `volume ${name} is no directory of a node (local, hostPath): there is nothing to take over`,
    );
  if (deletionTimestamp !== undefined) throw new Error(`volume ${name} is being deleted`);
  if (!spec.nodeAffinity) throw new Error(`volume ${name} does not say on which node it is (nodeAffinity)`);
  if (!isReachable(spec.nodeAffinity, { 'kubernetes.io/hostname': node }))
    throw new Error(`volume ${name} is not on ${node}: run this on its own node`);
  if (!isId(name)) throw new Error(`volume ${name} has a name that no directory can have`);
  if (spec.volumeMode === 'Block') throw new Error(`volume ${name} is a block device`);
  const others = finalizers.filter((finalizer) => finalizer !== PROTECTION);
  if (others.length > 0) throw new Error(`volume ${name} is held by ${others.join(', ')}`);
  const bytes = Number(parseQuantity(spec.capacity?.['storage'] ?? '') ?? 0n);
  if (bytes <= 0) throw new Error(`volume ${name} has no size`);
  const { claimRef } = spec;
  return {
    id: name,
    path,
    size: Math.ceil(bytes / GRAIN) * GRAIN,
    ...(claimRef?.name && { claim: { namespace: claimRef.namespace ?? '', name: claimRef.name } }),
  };
}

/** Pods that have the claim, whatever they do. */
export function usersOf(pods: readonly ClaimingPod[], claim: string): readonly string[] {
  return pods
    .filter(({ spec, status }) => {
      const isOver = status?.phase === 'Succeeded' || status?.phase === 'Failed';
      return !isOver && spec?.volumes?.some((volume) => volume.persistentVolumeClaim?.claimName === claim);
    })
    .map(({ metadata }) => metadata.name);
}

/** The same volume for the same claim, kept by this driver. */
export function replacementOf(
  { metadata, spec }: PathVolume,
  { id }: Adoption,
  node: string,
): PersistentVolume {
  const { local: _local, hostPath: _hostPath, nodeAffinity: _where, claimRef, ...rest } = spec;
  const { labels, annotations = {} } = metadata;
  const nodeAffinity = affinityOf([{ segments: { [TOPOLOGY_KEY]: node } }]);
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: {
      name: metadata.name,
      finalizers: [FINALIZER.volume],
      annotations: {
        ...annotations,
        [ANNOTATION.provisionedBy]: DRIVER_NAME,
        // The claim is bound to it already, and stays so: pkg/controller/volume/persistentvolume.
        'pv.kubernetes.io/bound-by-controller': 'yes',
      },
      ...(labels && { labels }),
    },
    spec: {
      ...rest,
      ...(claimRef && { claimRef: { ...claimRef } }),
      ...(nodeAffinity && { nodeAffinity }),
      csi: { driver: DRIVER_NAME, volumeHandle: id },
    },
  };
}
