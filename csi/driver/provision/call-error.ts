/** What an error of the driver says about what it left behind. Pure. */

import type { CodeName } from '../../../shared/grpc/error.ts';
import { RpcError } from '../../../shared/grpc/error.ts';
import { toRpcError } from '../status.ts';

/** After these the call may still be under way, or may have done its work (external-provisioner, checkError). */
const UNDER_WAY: ReadonlySet<CodeName> = new Set([
  'CANCELLED',
  'DEADLINE_EXCEEDED',
  'UNAVAILABLE',
  'ABORTED',
]);

/**
 * After these nobody knows what is there: the driver itself did not expect what happened. A sidecar takes them for an end; here
 * the volume is looked for again when its claim goes.
 */
const UNKNOWN: ReadonlySet<CodeName> = new Set(['INTERNAL', 'UNKNOWN', 'DATA_LOSS']);

/**
 * @param signal of the call: whoever was stopped says so in his own words, and did not fail
 * @returns what a socket's client would have got
 */
export function callError(error: unknown, signal: AbortSignal): RpcError {
  if (signal.aborted && !(error instanceof RpcError))
    return new RpcError('DEADLINE_EXCEEDED', 'the call took too long', undefined, { cause: error });
  return toRpcError(error);
}

/** The call has ended for certain. */
export function isFinal({ code }: RpcError): boolean {
  return !UNDER_WAY.has(code);
}

/** The call has ended, and nothing of what it was to make is there. */
export function leavesNothing({ code }: RpcError): boolean {
  return !UNDER_WAY.has(code) && !UNKNOWN.has(code);
}

/**
 * Final for what is done to a thing that is there already, as the resizer and the snapshotter see it: being out of resources
 * is for them no end either.
 */
export function isFinalChange(error: RpcError): boolean {
  return isFinal(error) && error.code !== 'RESOURCE_EXHAUSTED';
}

/** What an expansion ends with that no later try will change (external-resizer, IsInfeasibleError). */
export function isInfeasible({ code }: RpcError): boolean {
  return code === 'INVALID_ARGUMENT' || code === 'OUT_OF_RANGE' || code === 'NOT_FOUND';
}

/** As Go's gRPC prints it, which is what people and tools know from events. */
export function goText({ code, details }: RpcError): string {
  return `rpc error: code = ${goName(code)} desc = ${details}`;
}

/** Go's name of a code (google.golang.org/grpc/codes): `OK`, `NotFound`, `Canceled`. */
export function goName(code: CodeName): string {
  if (code === 'OK') return code;
  if (code === 'CANCELLED') return 'Canceled';
  return code
    .toLowerCase()
    .split('_')
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('');
}
