/** Whether a volume's attributes are to be changed, and what is written about it: external-resizer's modifycontroller. Pure. */

import type {
  ClaimCondition,
  PersistentVolumeClaim,
  VolumeAttributesClass,
} from '../../../shared/kube/storage-types.ts';
import type { ClaimPatch } from './resize-patches.ts';

export type ModifyStep =
  | { readonly do: 'nothing' }
  /** The user wants nothing any more: say so. */
  | { readonly do: 'forget' }
  /** The class is not there. */
  | { readonly do: 'wait'; readonly target: string }
  | {
      readonly do: 'modify';
      readonly target: VolumeAttributesClass;
      /** The claim does not say so yet. */
      readonly isNew: boolean;
    };

/** @param isUncertain a change to the class that the claim's status names may be under way, or done in part */
export function modifyStep(
  { spec, status }: PersistentVolumeClaim,
  classes: ReadonlyMap<string, VolumeAttributesClass>,
  isUncertain: boolean,
): ModifyStep {
  if (status?.phase !== 'Bound') return { do: 'nothing' };
  const wanted = spec?.volumeAttributesClassName ?? '';
  const current = status.currentVolumeAttributesClassName ?? '';
  const modifying = status.modifyVolumeStatus;
  if (!modifying && wanted === current) return { do: 'nothing' };
  const inProgress = modifying?.status === 'InProgress';
  if (wanted === '' && !inProgress) {
    const says = (status.conditions ?? []).some(({ type }) => type === 'ModifyingVolume');
    return { do: says ? 'forget' : 'nothing' };
  }
  const goesOn = inProgress && (isUncertain || wanted === '');
  const name = goesOn ? (modifying?.targetVolumeAttributesClassName ?? '') : wanted;
  const target = classes.get(name);
  if (!target) return { do: 'wait', target: name };
  return { do: 'modify', target, isNew: !goesOn };
}

/** The class is not there yet; conditions stay as they are. */
export function modifyPending(): ClaimPatch {
  return { status: { modifyVolumeStatus: { status: 'Pending' } } };
}

export function modifying(claim: PersistentVolumeClaim, target: string, now: string): ClaimPatch {
  const message = `Modifying volume to "${target}" is in progress.`;
  return {
    status: {
      modifyVolumeStatus: { status: 'InProgress', targetVolumeAttributesClassName: target },
      conditions: merged(claim, [{ type: 'ModifyingVolume', status: 'True', message, lastProbeTime: now }]),
    },
  };
}

/** How a change failed. */
export interface ModifyFailure {
  /** Go's name of the code. */
  readonly code: string;
  readonly details: string;
  readonly isFinal: boolean;
  readonly isInfeasible: boolean;
}

export function modifyFailed(
  claim: PersistentVolumeClaim,
  target: string,
  { code, details, isFinal, isInfeasible }: ModifyFailure,
  now: string,
): ClaimPatch {
  const how = isFinal ? 'failed. Waiting for retry.' : 'is still in progress.';
  const common = { status: 'True', lastProbeTime: now };
  return {
    status: {
      modifyVolumeStatus: {
        status: isInfeasible ? 'Infeasible' : 'InProgress',
        targetVolumeAttributesClassName: target,
      },
      conditions: merged(claim, [
        { type: 'ModifyingVolume', message: `Modifying volume to "${target}" ${how}`, ...common },
        { type: 'ModifyVolumeError', reason: code, message: details, ...common },
      ]),
    },
  };
}

export function modified(claim: PersistentVolumeClaim, target: string): ClaimPatch {
  return {
    status: {
      modifyVolumeStatus: null,
      currentVolumeAttributesClassName: target,
      conditions: without(claim, ['ModifyingVolume', 'ModifyVolumeError']),
    },
  };
}

export function modifyForgotten(claim: PersistentVolumeClaim): ClaimPatch {
  return { status: { conditions: without(claim, ['ModifyingVolume']) } };
}

/** A condition that says what it said keeps the time since when it does. */
function merged(
  { status }: PersistentVolumeClaim,
  conditions: readonly ClaimCondition[],
): readonly ClaimCondition[] {
  const old = status?.conditions ?? [];
  const timed = conditions.map((condition) => {
    const before = old.find(({ type }) => type === condition.type);
    const isSame = before?.status === condition.status && before?.reason === condition.reason;
    const lastTransitionTime = isSame ? before?.lastTransitionTime : condition.lastProbeTime;
    return { ...condition, ...(lastTransitionTime !== undefined && { lastTransitionTime }) };
  });
  const types = conditions.map(({ type }) => type);
  return [...old.filter(({ type }) => !types.includes(type)), ...timed];
}

function without({ status }: PersistentVolumeClaim, types: readonly string[]): readonly ClaimCondition[] {
  return (status?.conditions ?? []).filter(({ type }) => !types.includes(type));
}
