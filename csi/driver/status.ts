/**
 * How a call fails, in the codes that the Container Storage Interface gives each case: every error of a driver is made here, or
 * becomes one of these here. Pure.
 *
 * Source: spec.md of container-storage-interface/spec 1.12, the "Errors" table of each call and "Error Scheme".
 */

import { RpcError } from '../../shared/grpc/error.ts';
import { isErrno } from '../../shared/sys/errno.ts';

/** A field is missing, malformed, or asks for what no volume of this driver can be. Trying again changes nothing. */
export function invalidArgument(field: string, why: string): RpcError {
  return new RpcError('INVALID_ARGUMENT', `${field}: ${why}`);
}

/** There is no such volume, snapshot or group. @param what `volume pvc-1` */
export function notFound(what: string): RpcError {
  return new RpcError('NOT_FOUND', `there is no ${what}`);
}

/** The name is taken by one that is not what is asked for. */
export function alreadyExists(what: string, difference: string): RpcError {
  return new RpcError('ALREADY_EXISTS', `${what} exists and is another: ${difference}`);
}

/** It is not in the state for this: still in use, already published elsewhere. The caller has to do something else first. */
export function failedPrecondition(why: string): RpcError {
  return new RpcError('FAILED_PRECONDITION', why);
}

/** Another call works on the same, or a list's token is of no list: to be tried again, or begun anew. */
export function aborted(why: string): RpcError {
  return new RpcError('ABORTED', why);
}

/** No volume can have that size. */
export function outOfRange(why: string): RpcError {
  return new RpcError('OUT_OF_RANGE', why);
}

/**
 * No room there. From CreateVolume this is the one code that makes a provisioner ask the scheduler for another node
 * (external-provisioner, "Topology support"), and so it is never used for anything that another node would not mend.
 */
export function resourceExhausted(why: string): RpcError {
  return new RpcError('RESOURCE_EXHAUSTED', why);
}

/** It cannot be done now, and may be later. */
export function unavailable(why: string): RpcError {
  return new RpcError('UNAVAILABLE', why);
}

/** A driver never does this. */
export function unimplemented(what: string): RpcError {
  return new RpcError('UNIMPLEMENTED', `${what} is not supported by this driver`);
}

/** Whatever a handler threw. An RpcError stays as it is; a system call's error gets the code of its errno. */
export function toRpcError(error: unknown): RpcError {
  if (error instanceof RpcError) return error;
  const text = error instanceof Error ? error.message : String(error);
  const make = (code: RpcError['code']): RpcError => new RpcError(code, text, undefined, { cause: error });
  // The pool or a quota is full.
  if (isErrno(error, 'ENOSPC', 'EDQUOT')) return make('RESOURCE_EXHAUSTED');
  // The file system, or the kernel it runs on, lacks it.
  if (isErrno(error, 'EOPNOTSUPP', 'ENOSYS', 'ENOTTY')) return make('FAILED_PRECONDITION');
  // Somebody uses it: an unmount while a pod's process is still there.
  if (isErrno(error, 'EBUSY')) return make('FAILED_PRECONDITION');
  // The disk below, or the server behind, does not answer as it should: what is there may be well again later.
  if (isErrno(error, 'EIO', 'ESTALE', 'ETIMEDOUT', 'ENODEV', 'ENXIO', 'EROFS')) return make('UNAVAILABLE');
  return make('INTERNAL');
}
