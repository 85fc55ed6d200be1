import type { AddEnvironment, CheckEnvironment, DelEnvironment, NetworkEnvironment } from './environment.ts';
import type { Attachment, NetConf } from './net-conf.ts';
import type { Result } from './result.ts';

/** One call of a plugin: the parsed environment and configuration, and what cancels it when run in process. */
export interface Request<E> {
  readonly env: E;
  readonly conf: NetConf;
  readonly signal?: AbortSignal | undefined;
}

export type AddRequest = Request<AddEnvironment>;
export type DelRequest = Request<DelEnvironment>;
export type CheckRequest = Request<CheckEnvironment>;
export type StatusRequest = Request<NetworkEnvironment>;

/** GC: everything of the network `conf.name` that is not in `valid` may go. */
export interface GcRequest extends Request<NetworkEnvironment> {
  /** From `cni.dev/valid-attachments`; without it the plugin is not even called. */
  readonly valid: readonly Attachment[];
}

/** Plugins that need no waiting answer at once; those that exec a delegate may answer later. */
export type Awaitable<T> = T | Promise<T>;

/**
 * What ADD and DEL need of a plugin type. Apart from the rest of it, because these two run for every pod in a process
 * that lives some milliseconds, and what else is loaded with them costs 10 µs a kilobyte.
 *
 * Each operation throws CniError (or any error: error-codes.ts maps it) and returns nothing else
 * but success. The dispatcher has checked environment, name, version and, for ADD and DEL, that the namespace is not
 * the plugin's own; the plugin validates its own keys in `conf.raw` and what it needs of `conf.prevResult`.
 */
export interface Attaching {
  /** The name it is called by: the `type` key, and the file name in the CNI bin directory. */
  readonly type: string;
  /** One line for people who run it by hand; printed on stderr when CNI_COMMAND is absent. */
  readonly about: string;

  add(request: AddRequest): Awaitable<Result>;
  /** Succeeds when there is nothing (left) to undo; `conf.prevResult` may be absent, so may the namespace. */
  del(request: DelRequest): Awaitable<void>;
}

/** A CNI plugin type with all its operations. */
export interface Plugin extends Attaching {
  check(request: CheckRequest): Awaitable<void>;
  /** Goes on after an error, and throws it (or an AggregateError) at the end. */
  gc(request: GcRequest): Awaitable<void>;
  /** Throws `unavailable` or `limitedConnectivity` when an ADD could not be served. */
  status(request: StatusRequest): Awaitable<void>;
}
