/**
 * How far a claim's volume is to be expanded, from what claim and volume say. Pure.
 *
 * The states are external-resizer's (expand_and_recover.go): a size that was begun with is ended before another is begun, so
 * that a user may take a size back that cannot be reached.
 */

import { parseQuantity } from '../../../shared/kube/quantity.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '../../../shared/kube/storage-types.ts';

export type ResizeStep =
  | { readonly do: 'nothing' }
  | {
      readonly do: 'expand';
      /** A quantity. */
      readonly size: string;
      /** The claim does not say so yet. */
      readonly isNew: boolean;
    };

const NOTHING: ResizeStep = { do: 'nothing' };

/** @param hasEnded the last try of this process ended with an error that leaves nothing under way */
export function resizeStep(
  claim: PersistentVolumeClaim,
  volume: PersistentVolume,
  hasEnded: boolean,
): ResizeStep {
  const { spec, status, metadata } = claim;
  const asked = spec?.resources?.requests?.['storage'] ?? '0';
  const { claimRef } = volume.spec;
  if (claimRef?.namespace !== metadata.namespace || claimRef?.uid !== metadata.uid) return NOTHING;
  if (status?.phase !== 'Bound' || bytes(asked) <= bytes(status.capacity?.['storage'])) return NOTHING;
  const allocated = status.allocatedResources?.['storage'];
  const state = status.allocatedResourceStatuses?.['storage'] ?? '';
  const have = bytes(volume.spec.capacity?.['storage']);
  const size =
    have < bytes(asked)
      ? whileTooSmall(state, asked, allocated, have, hasEnded)
      : onceLargeEnough(state, asked, allocated, claim);
  if (size === undefined) return NOTHING;
  return { do: 'expand', size, isNew: allocated === undefined || bytes(allocated) !== bytes(size) };
}

/** The volume is smaller than asked for: by the driver, or by a size that was asked for before. */
function whileTooSmall(
  state: string,
  asked: string,
  allocated: string | undefined,
  have: bigint,
  hasEnded: boolean,
): string | undefined {
  switch (state) {
    case 'NodeResizeInfeasible':
      return allocated ?? asked;
    case 'NodeResizePending':
    case 'NodeResizeInProgress':
      // The node ends what it has begun first.
      return allocated !== undefined && have >= bytes(allocated) ? undefined : (allocated ?? asked);
    case 'ControllerResizeInProgress':
      return hasEnded ? asked : (allocated ?? asked);
    default:
      return asked;
  }
}

/** The volume has the size: the node's file system may lack it, or what was done was not written down. */
function onceLargeEnough(
  state: string,
  asked: string,
  allocated: string | undefined,
  claim: PersistentVolumeClaim,
): string | undefined {
  if (state === 'NodeResizePending' || state === 'NodeResizeInProgress') return undefined;
  if (allocated !== undefined) return allocated;
  if (state === '' && isPendingOnNode(claim)) return undefined;
  return asked;
}

function isPendingOnNode({ status }: PersistentVolumeClaim): boolean {
  return (status?.conditions ?? []).some(
    (each) => each.type === 'FileSystemResizePending' && each.status === 'True',
  );
}

function bytes(quantity = '0'): bigint {
  return parseQuantity(quantity) ?? 0n;
}
