/** What the steps of an expansion write into a claim's status: external-resizer's resize_status.go. Pure. */

import type { ClaimCondition, PersistentVolumeClaim } from '../../../shared/kube/storage-types.ts';
import { ANNOTATION } from './names.ts';

/** A merge patch of the claim, for its `status`. */
export interface ClaimPatch {
  readonly metadata?: { readonly annotations: Readonly<Record<string, string | null>> };
  readonly status: object;
}

const RESIZE_CONDITIONS = new Set([
  'Resizing',
  'FileSystemResizePending',
  'ControllerResizeError',
  'NodeResizeError',
]);

const WAITING_FOR_POD =
  'Waiting for user to (re-)start a pod to finish file system resize of volume on node.';

/** It begins. @param isNew with this size for the first time */
export function resizing(
  claim: PersistentVolumeClaim,
  size: string,
  isNew: boolean,
  now: string,
): ClaimPatch {
  return {
    ...withoutAnnotation(claim),
    status: {
      conditions: merged(claim, { type: 'Resizing', status: 'True', lastTransitionTime: now }, !isNew),
      allocatedResources: { storage: size },
      ...(isNew && { allocatedResourceStatuses: { storage: 'ControllerResizeInProgress' } }),
    },
  };
}

/** The volume has its size; the node's file system has to follow. */
export function nodeIsNext(claim: PersistentVolumeClaim, now: string): ClaimPatch {
  const condition = {
    type: 'FileSystemResizePending',
    status: 'True',
    lastTransitionTime: now,
    message: WAITING_FOR_POD,
  };
  return {
    ...withoutAnnotation(claim),
    status: {
      conditions: merged(claim, condition, true),
      allocatedResourceStatuses: { storage: 'NodeResizePending' },
    },
  };
}

/** All is done. @param size a quantity */
export function resized(claim: PersistentVolumeClaim, size: string): ClaimPatch {
  return {
    // Else the kubelet would try, too.
    metadata: { annotations: { [ANNOTATION.nodeExpansionNotRequired]: 'true' } },
    status: {
      capacity: { storage: size },
      conditions: merged(claim, undefined, false),
      allocatedResourceStatuses: { storage: null },
    },
  };
}

/** It failed. @param isInfeasible it always will */
export function resizeFailed(
  claim: PersistentVolumeClaim,
  error: string,
  isInfeasible: boolean,
  now: string,
): ClaimPatch {
  const condition = {
    type: 'ControllerResizeError',
    status: 'True',
    lastTransitionTime: now,
    message: `failed to expand pvc with ${error}`,
  };
  return {
    status: {
      conditions: merged(claim, condition, true),
      ...(isInfeasible && { allocatedResourceStatuses: { storage: 'ControllerResizeInfeasible' } }),
    },
  };
}

/** Conditions with one put in; of those about sizes the others stay only if asked. Others always stay. */
function merged(
  { status }: PersistentVolumeClaim,
  condition: ClaimCondition | undefined,
  keepOthers: boolean,
): readonly ClaimCondition[] {
  const rest = (status?.conditions ?? []).filter(
    ({ type }) => type !== condition?.type && (keepOthers || !RESIZE_CONDITIONS.has(type)),
  );
  return condition ? [...rest, condition] : rest;
}

function withoutAnnotation({ metadata }: PersistentVolumeClaim): Pick<ClaimPatch, 'metadata'> {
  if (metadata.annotations?.[ANNOTATION.nodeExpansionNotRequired] === undefined) return {};
  return { metadata: { annotations: { [ANNOTATION.nodeExpansionNotRequired]: null } } };
}
