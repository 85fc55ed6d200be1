import type { KubeObject } from './kube-object.ts';

export interface ObjectList {
  /** Ordered by namespace, then name. */
  readonly items: readonly KubeObject[];
  /** Opaque; give it to `watch` to hear of everything after this list. */
  readonly version: string;
}

/** `deleted` carries the object as it last was. Changes in a row may be told as the last of them. */
export interface ObjectEvent {
  readonly type: 'added' | 'modified' | 'deleted';
  readonly object: KubeObject;
}

export interface ObjectBatch {
  readonly events: readonly ObjectEvent[];
  /** The version after these events. */
  readonly version: string;
}

/** A list-and-watch source of Kubernetes objects: the embedded store, later the API server. */
export interface ObjectSource {
  listObjects(kind: string, namespace?: string): Promise<ObjectList>;
  /**
   * Changes of the given kinds after `version`, in order, one non-empty batch at a time; ends without an error when
   * `signal` is aborted.
   *
   * @throws TooOldError (from the iteration) list again
   */
  watchObjects(kinds: readonly string[], version: string, signal: AbortSignal): AsyncIterable<ObjectBatch>;
}
