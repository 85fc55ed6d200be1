/** What a snapshot's content and a group's have in common, for the queue that works on either. */

import type { Resource } from '../../../shared/kube/resource.ts';
import type { SecretReference } from '../../../shared/kube/storage-types.ts';
import type { ApiObject } from '../../../shared/kube/types.ts';
import type { ContentFacts, ContentNames } from './content-step.ts';

/** What of a class matters. */
export type ClassParameters = Readonly<Record<string, string>>;

/** What the driver answered, as a merge patch of the status. */
export interface ContentAnswer {
  readonly status: object;
  readonly isReady: boolean;
}

/** Throws RpcError, KubeError. */
export interface ContentKind<T extends ApiObject> {
  readonly kind: string;
  readonly apiVersion: string;
  readonly resource: Resource<T>;
  readonly classes: Resource;
  readonly names: ContentNames;
  /** In events: `Snapshot` or `GroupSnapshot`. */
  readonly reason: string;
  /** In messages: `snapshot` or `group snapshot`. */
  readonly noun: string;
  factsOf(content: T): ContentFacts;
  specOf(content: T): { readonly driver: string; readonly className: string | undefined };
  /** Of the volumes that it is, or is to be, made from. */
  volumesOf(content: T): readonly string[];
  /** What the status says that went wrong. */
  errorOf(content: T): string | undefined;
  /** `snapshot handle in the storage`: whether this node's driver knows it. */
  isHere(content: T, signal: AbortSignal): Promise<boolean>;
  create(
    content: T,
    parameters: ClassParameters,
    secrets: Record<string, string>,
    signal: AbortSignal,
  ): Promise<ContentAnswer>;
  /** @throws ClassError where the class's templates cannot be filled */
  checkSecret(content: T, parameters: ClassParameters): SecretReference | undefined;
  check(content: T, secrets: Record<string, string>, signal: AbortSignal): Promise<ContentAnswer>;
  delete(content: T, secrets: Record<string, string>, signal: AbortSignal): Promise<void>;
  /** A merge patch of the status once it is deleted. */
  readonly cleared: object;
}
