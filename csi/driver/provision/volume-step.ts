/** What is to be done for a PersistentVolume of this driver that is reached from here. Pure. */

import type { PersistentVolume } from '../../../shared/kube/storage-types.ts';
import { ANNOTATION, FINALIZER } from './names.ts';

export type VolumeStep =
  | { readonly do: 'nothing' }
  /** The volume's data must not outlive the object, or may (again). */
  | { readonly do: 'protect' | 'release' }
  /** Nobody wants its data any more. */
  | { readonly do: 'delete' };

/** external-provisioner's library: handleProtectionFinalizer, shouldDelete. */
export function volumeStep({ metadata, spec, status }: PersistentVolume, driver: string): VolumeStep {
  const { annotations = {}, finalizers = [], deletionTimestamp } = metadata;
  const by = annotations[ANNOTATION.provisionedBy];
  // One without the annotation was made by hand, and is deleted all the same where its policy says so.
  if (spec.csi?.driver !== driver || (by !== undefined && by !== driver)) return { do: 'nothing' };
  const isProtected = finalizers.includes(FINALIZER.volume);
  const policy = spec.persistentVolumeReclaimPolicy;
  if (isProtected && (policy === 'Retain' || policy === 'Recycle')) return { do: 'release' };
  if (policy !== 'Delete') return { do: 'nothing' };
  if (status?.phase === 'Released' && (isProtected || !deletionTimestamp)) return { do: 'delete' };
  if (!isProtected && !deletionTimestamp && status?.phase === 'Bound') return { do: 'protect' };
  return { do: 'nothing' };
}
