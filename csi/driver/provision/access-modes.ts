/**
 * Kubernetes' access modes as the protocol's. Pure.
 *
 * Source: kubernetes-csi/csi-lib-utils, accessmodes.ToCSIAccessMode.
 */

import type { AccessMode } from '../capability.ts';

/**
 * The one mode that stands for all that a claim or volume names.
 *
 * @param multiWriter the driver says SINGLE_NODE_MULTI_WRITER, and so tells one pod from one node
 * @returns a mode, or for people why there is none
 */
export function accessModeOf(modes: readonly string[], multiWriter: boolean): AccessMode | { why: string } {
  const has = (mode: string): boolean => modes.includes(mode);
  if (has('ReadWriteOncePod')) {
    if (modes.length > 1) return { why: 'ReadWriteOncePod cannot be combined with other access modes' };
    return multiWriter ? 'SINGLE_NODE_SINGLE_WRITER' : 'SINGLE_NODE_WRITER';
  }
  if (has('ReadWriteMany')) return 'MULTI_NODE_MULTI_WRITER';
  if (has('ReadOnlyMany') && has('ReadWriteOnce'))
    return { why: 'CSI does not support ReadOnlyMany and ReadWriteOnce on the same PersistentVolume' };
  if (has('ReadOnlyMany')) return 'MULTI_NODE_READER_ONLY';
  if (has('ReadWriteOnce')) return multiWriter ? 'SINGLE_NODE_MULTI_WRITER' : 'SINGLE_NODE_WRITER';
  return { why: `unsupported AccessMode combination: ${modes.join(', ')}` };
}
