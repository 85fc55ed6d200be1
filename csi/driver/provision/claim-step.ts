/** What is to be done for a claim, seen from this node. Pure. */

import type { PersistentVolumeClaim, StorageClass } from '../../../shared/kube/storage-types.ts';
import { ANNOTATION, provisionerOf } from './names.ts';
import { isAllowed, type Segments } from './topology.ts';

/** The node that this provisioner works for. */
export interface OwnNode {
  readonly name: string;
  /** As the driver tells them to the kubelet. */
  readonly segments: Segments;
}

export type ClaimStep =
  /** Not for us, bound already, or waiting for somebody else. */
  | { readonly do: 'nothing'; readonly why?: string }
  /** It binds at once, and no node has taken it yet. */
  | { readonly do: 'take'; readonly storageClass: StorageClass }
  /** It waits for its first pod, but its data can be on one node alone: if that is this one, make its volume. */
  | { readonly do: 'provision at source'; readonly storageClass: StorageClass }
  /** It is ours: make its volume. */
  | { readonly do: 'provision'; readonly storageClass: StorageClass };

export interface ClaimView {
  readonly driver: string;
  /** Without one every claim of the driver is ours. */
  readonly node: OwnNode | undefined;
  readonly classes: ReadonlyMap<string, StorageClass>;
}

export function claimStep(claim: PersistentVolumeClaim, { driver, node, classes }: ClaimView): ClaimStep {
  const { annotations = {}, deletionTimestamp } = claim.metadata;
  if (claim.spec?.volumeName || provisionerOf(annotations) !== driver) return { do: 'nothing' };
  // Nothing is begun for what goes; what was begun is found through the journal.
  if (deletionTimestamp) return { do: 'nothing' };
  const name = classOf(claim);
  const storageClass = classes.get(name);
  if (!storageClass) return { do: 'nothing', why: `storageClass "${name}" not found` };
  if (storageClass.provisioner !== driver) return { do: 'nothing' };
  const selected = annotations[ANNOTATION.selectedNode] ?? '';
  const atOnce = storageClass.volumeBindingMode !== 'WaitForFirstConsumer';
  if (!node) return selected !== '' || atOnce ? { do: 'provision', storageClass } : { do: 'nothing' };
  if (selected === node.name) return { do: 'provision', storageClass };
  if (selected !== '' || !isAllowed(storageClass, node.segments)) return { do: 'nothing' };
  // The scheduler knows nothing of where a source is: it would name other nodes again and again.
  if (!atOnce) return hasSource(claim) ? { do: 'provision at source', storageClass } : { do: 'nothing' };
  return { do: 'take', storageClass };
}

/** Its volume is to be filled from another one, or from a snapshot. */
export function hasSource({ spec }: PersistentVolumeClaim): boolean {
  return (spec?.dataSource ?? spec?.dataSourceRef) !== undefined;
}

/** A claim's class; the annotation is from before the field. */
export function classOf(claim: PersistentVolumeClaim): string {
  return (
    claim.metadata.annotations?.['volume.beta.kubernetes.io/storage-class'] ??
    claim.spec?.storageClassName ??
    ''
  );
}
