/** How a call failed, in gRPC's terms (grpc.io, "Status codes and their use in gRPC"). Pure. */

import { problemIn } from '../net/connection-problem.ts';

/** gRPC's status codes. */
export const CODE = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

export type CodeName = keyof typeof CODE;

const NAMES: ReadonlyMap<number, CodeName> = new Map(
  Object.entries(CODE).map(([name, code]) => [code, name as CodeName]),
);

/** A call that failed: on the way, or because the other side said so. A server's handler throws one to answer so. */
export class RpcError extends Error {
  override readonly name = 'RpcError';
  readonly code: CodeName;
  /** What the other side, or the library, said; without the call's name. */
  readonly details: string;

  /** @param call what was called and where, for people */
  constructor(code: CodeName, details: string, call?: string, options?: ErrorOptions) {
    super(`${call === undefined ? '' : `${call}: `}${details} (${code})`, options);
    this.code = code;
    this.details = details;
  }

  /** Whatever a library threw or answered; an RpcError stays as it is. */
  static from(error: unknown, call?: string): RpcError {
    if (error instanceof RpcError) return error;
    const { code, details, message } = (error ?? {}) as {
      code?: unknown;
      details?: unknown;
      message?: unknown;
    };
    const name = typeof code === 'number' ? NAMES.get(code) : undefined;
    const text = [details, message].find((each) => typeof each === 'string' && each !== '');
    const plain = name === 'UNAVAILABLE' ? plainly(String(text)) : undefined;
    // The library's error has no more to say than its details, and those of a connection are for its developers.
    const cause = name === undefined ? { cause: error } : {};
    return new RpcError(name ?? 'UNKNOWN', plain ?? String(text ?? error), call, cause);
  }
}

/** Bun's sockets say so of a network without a route, too. */
const REFUSED = 'no connection: nothing listens there, or no route leads there (ECONNREFUSED)';

function plainly(details: string): string {
  if (details.includes('ECONNREFUSED')) return REFUSED;
  // The library's words about a connection have the time in them: the same trouble would be logged again and again.
  return (
    problemIn(details) ??
    details.replace(
      /^No connection established\. Last error: (?:Error: )?(.*?)(?: \(\d{4}-[^)]*\))?\. Resolution note:.*$/s,
      'no connection: $1',
    )
  );
}

/** True for a call that ended with one of these codes. */
export function isRpcError(error: unknown, ...codes: readonly CodeName[]): error is RpcError {
  return error instanceof RpcError && (codes.length === 0 || codes.includes(error.code));
}

/** True when nobody answers there at present: refused, cut off, no leader. */
export function isUnavailable(error: unknown): error is RpcError {
  return isRpcError(error, 'UNAVAILABLE');
}

/** True when the answer took too long. */
export function isDeadlineExceeded(error: unknown): error is RpcError {
  return isRpcError(error, 'DEADLINE_EXCEEDED');
}

/** True when the caller gave up. */
export function isCancelled(error: unknown): error is RpcError {
  return isRpcError(error, 'CANCELLED');
}

/** True when the other side does not know who asks. */
export function isUnauthenticated(error: unknown): error is RpcError {
  return isRpcError(error, 'UNAUTHENTICATED');
}

/** True when it knows, and who asks may not. */
export function isPermissionDenied(error: unknown): error is RpcError {
  return isRpcError(error, 'PERMISSION_DENIED');
}
