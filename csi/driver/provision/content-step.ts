/**
 * What is to be done for the content of a snapshot, or of a group of them: both follow the same rules, those of csi-snapshotter
 * (snapshot_controller.go, groupsnapshot_helper.go). Pure.
 */

import type { ObjectMeta } from '../../../shared/kube/types.ts';

/** Names that differ between the two. */
export interface ContentNames {
  readonly finalizer: string;
  /** An annotation: a call to the driver may be under way, or its answer was lost. */
  readonly beingCreated: string;
  /** An annotation of the snapshot controller's: the user's object is being deleted. */
  readonly beingDeleted: string;
  readonly secretName: string;
  readonly secretNamespace: string;
}

/** What counts of an object. */
export interface ContentFacts {
  readonly metadata: ObjectMeta;
  /** `Delete`, or nothing is deleted. */
  readonly policy: string;
  /** Of the user's object; empty while it is bound to none. */
  readonly userUid: string;
  /** It is of a snapshot that was there before the object. */
  readonly isGiven: boolean;
  /** It is made, and deleted, with its group. */
  readonly isMember: boolean;
  /** In the status: what is there, as far as is known. */
  readonly handle: string | undefined;
  readonly isReady: boolean;
}

export type ContentStep =
  | 'nothing'
  /** The driver is to make it, or to say again that it has. */
  | 'create'
  /** The driver is to say how it is. */
  | 'check'
  /** The note that it is being created is to be taken away. */
  | 'unmark'
  /** The driver is to delete it. */
  | 'delete'
  /** The object may go. */
  | 'release';

export function contentStep(facts: ContentFacts, names: ContentNames): ContentStep {
  const { metadata, policy, isGiven, isMember, handle, isReady } = facts;
  const isMarked = metadata.annotations?.[names.beingCreated] !== undefined;
  if (isToGo(facts, names)) return policy === 'Delete' && handle && !isMember ? 'delete' : 'release';
  if (isReady) return isMarked ? 'unmark' : 'nothing';
  if (isGiven || (isMember && handle)) return 'check';
  return isMember ? 'nothing' : 'create';
}

function isToGo({ metadata, isGiven, userUid }: ContentFacts, names: ContentNames): boolean {
  if (!metadata.deletionTimestamp) return false;
  if (isGiven && userUid === '') return true;
  const { annotations = {} } = metadata;
  // What may be under way is ended first: else it would stay on the disk.
  return annotations[names.beingCreated] === undefined && annotations[names.beingDeleted] !== undefined;
}

/**
 * What others write of a content: what is written here is no reason to look at it again at once, but for what lets one that is
 * being deleted go.
 */
export function contentGist(facts: ContentFacts, spec: unknown, names: ContentNames): string {
  const { [names.beingCreated]: mark, ...annotations } = facts.metadata.annotations ?? {};
  const { uid, deletionTimestamp, labels, finalizers } = facts.metadata;
  const goes = deletionTimestamp !== undefined && mark === undefined;
  return JSON.stringify([uid, deletionTimestamp, goes, labels, finalizers, annotations, spec, facts.handle]);
}

/** Tells the node that has the snapshot, where the snapshot controller was told to (--enable-distributed-snapshotting). */
export const MANAGED_BY = 'snapshot.storage.kubernetes.io/managed-by';
