/** The object is not at the version that the caller expected. Read it again, redo the change, retry. */
export class ConflictError extends Error {
  override readonly name = 'ConflictError';
}

/** The history since the given version is gone (compacted, restored, rebuilt). List again and watch from there. */
export class TooOldError extends Error {
  override readonly name = 'TooOldError';
}

/** The node has no live lease any more. */
export class LeaseLostError extends Error {
  override readonly name = 'LeaseLostError';
}

/** A live lease of that node name belongs to another machine. */
export class NameInUseError extends Error {
  override readonly name = 'NameInUseError';
}

/** No subnet is free in the configured range. */
export class OutOfSubnetsError extends Error {
  override readonly name = 'OutOfSubnetsError';
}

/** The store must not be used from here: network filesystem, another kernel, a foreign or newer format. */
export class StoreRefusedError extends Error {
  override readonly name = 'StoreRefusedError';
}

/** There is no store at that path, and the caller asked not to make one. */
export class StoreMissingError extends Error {
  override readonly name = 'StoreMissingError';
}

/** The store's file is damaged, and the caller asked not to set it aside. */
export class StoreDamagedError extends Error {
  override readonly name = 'StoreDamagedError';
}

/** An object that the store cannot take: no name, a bad namespace, an unknown kind. */
export class InvalidObjectError extends Error {
  override readonly name = 'InvalidObjectError';
}

/** True for a failed compare-and-swap. */
export function isConflict(error: unknown): error is ConflictError {
  return error instanceof ConflictError;
}

/** True when a watch has to start over with a list. */
export function isTooOld(error: unknown): error is TooOldError {
  return error instanceof TooOldError;
}

/** True when a node's lease is gone and has to be acquired again. */
export function isLeaseLost(error: unknown): error is LeaseLostError {
  return error instanceof LeaseLostError;
}

/** True when another machine registered under the same node name. */
export function isNameInUse(error: unknown): error is NameInUseError {
  return error instanceof NameInUseError;
}

/** True when the configured range has no free subnet. */
export function isOutOfSubnets(error: unknown): error is OutOfSubnetsError {
  return error instanceof OutOfSubnetsError;
}

/** True when the store may not be used from this machine or by this release. */
export function isStoreRefused(error: unknown): error is StoreRefusedError {
  return error instanceof StoreRefusedError;
}

/** True when the store's file does not exist. */
export function isStoreMissing(error: unknown): error is StoreMissingError {
  return error instanceof StoreMissingError;
}

/** True when the store's file is damaged and was left where it is. */
export function isStoreDamaged(error: unknown): error is StoreDamagedError {
  return error instanceof StoreDamagedError;
}

/** True for an object that cannot be stored. */
export function isInvalidObject(error: unknown): error is InvalidObjectError {
  return error instanceof InvalidObjectError;
}
