/** What the API server refuses, and that it cannot be reached: one class, told apart by predicates. */

import type { Status } from './types.ts';

export interface KubeErrorOptions extends ErrorOptions {
  /** The HTTP status, or 0 where no answer came. */
  readonly code: number;
  /** meta/v1 Status.reason: `NotFound`, `Conflict`, `Expired`, …; `Unreachable` or `Timeout` without an answer. */
  readonly reason?: string;
  /** How long the server asks to wait, in ms. */
  readonly retryAfterMs?: number;
  /** meta/v1 StatusCause.reason of each. */
  readonly causes?: readonly string[];
}

export class KubeError extends Error {
  override readonly name = 'KubeError';
  readonly code: number;
  readonly reason: string;
  readonly retryAfterMs: number | undefined;
  readonly causes: readonly string[];

  constructor(message: string, options: KubeErrorOptions) {
    super(message, options);
    this.code = options.code;
    this.reason = options.reason ?? '';
    this.retryAfterMs = options.retryAfterMs;
    this.causes = options.causes ?? [];
  }

  /**
   * From a Status, in an answer or in a watch.
   *
   * @param what the request, for people: `GET https://192.0.2.1:6443/api/v1/nodes`
   */
  static from(what: string, code: number, status: Partial<Status>, retryAfterMs?: number): KubeError {
    const reason = status.reason ?? '';
    const said = [reason, status.message ?? ''].filter(Boolean).join(': ');
    const asked = status.details?.retryAfterSeconds;
    const after = retryAfterMs ?? (asked === undefined ? undefined : asked * 1000);
    return new KubeError(`${what}: ${code}${said && ` ${said}`}${adviceFor(code)}`, {
      code,
      reason,
      causes: (status.details?.causes ?? []).flatMap(({ reason: cause }) => cause ?? []),
      ...(after !== undefined && { retryAfterMs: after }),
    });
  }
}

function adviceFor(code: number): string {
  if (code === 401)
    return '; the token or client certificate is not (or no longer) one that the server takes';
  if (code === 403) return '; give the service account the role that the manifest has for it';
  return '';
}

function codeOf(error: unknown): number | undefined {
  return error instanceof KubeError ? error.code : undefined;
}

/** 404: there is no such object. */
export function isNotFound(error: unknown): error is KubeError {
  return codeOf(error) === 404;
}

/** 409, for an update: somebody changed the object meanwhile. Read it again, redo the change. */
export function isConflict(error: unknown): error is KubeError {
  return codeOf(error) === 409 && (error as KubeError).reason !== 'AlreadyExists';
}

/** 409, for a create: the name is taken. */
export function isAlreadyExists(error: unknown): error is KubeError {
  return codeOf(error) === 409 && (error as KubeError).reason === 'AlreadyExists';
}

/** 410: the history since that resourceVersion, or the rest of that list, is gone. List again. */
export function isGone(error: unknown): error is KubeError {
  return codeOf(error) === 410;
}

/** 504: the server, or the history of the cluster, has not come as far as the version that was asked for. */
export function isVersionTooLarge(error: unknown): error is KubeError {
  return error instanceof KubeError && error.causes.includes('ResourceVersionTooLarge');
}

/** 401: the credentials are not, or no longer, good. */
export function isUnauthorized(error: unknown): error is KubeError {
  return codeOf(error) === 401;
}

/** 403: who asks may not. */
export function isForbidden(error: unknown): error is KubeError {
  return codeOf(error) === 403;
}

/** 429: the server asks for patience; `retryAfterMs` says how much. */
export function isTooManyRequests(error: unknown): error is KubeError {
  return codeOf(error) === 429;
}

/** 5xx: the server has a problem. */
export function isServerError(error: unknown): error is KubeError {
  return (codeOf(error) ?? 0) >= 500;
}

/** No answer: nobody listens, the certificate is not the server's, or it took too long. */
export function isUnreachable(error: unknown): error is KubeError {
  return codeOf(error) === 0;
}

/** Nothing was heard for too long of a connection that is there. */
export function isSilent(error: unknown): error is KubeError {
  return isUnreachable(error) && error.reason === 'Timeout';
}

/** True where the same request may well succeed later without anybody changing it. */
export function isTransient(error: unknown): boolean {
  return isUnreachable(error) || isServerError(error) || isTooManyRequests(error) || isUnauthorized(error);
}
