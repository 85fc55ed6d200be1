import { errnoNumber } from '../sys/errno.ts';
import type { Operation } from './transaction.ts';

/** A transaction or a listing that the kernel refused. */
export class NftError extends Error {
  override readonly name = 'NftError';
  /** errno's name: 'ENOENT'. */
  readonly code: string;
  /** Positive errno, as on every other error of the system: by it, callers tell these from errors of ours. */
  readonly errno: number;
  /** The step that failed; undefined when the transaction as a whole was refused, or a listing. */
  readonly operation: Operation | undefined;
  /** What the kernel said in its extended ack, if anything. */
  readonly kernelMessage: string | undefined;

  constructor(what: string, code: string, options: NftErrorOptions = {}) {
    const { operation, kernelMessage, cause } = options;
    super(`${what}: ${code}${kernelMessage === undefined ? '' : ` (${kernelMessage})`}`, { cause });
    this.code = code;
    this.errno = errnoNumber(code);
    this.operation = operation;
    this.kernelMessage = kernelMessage;
  }
}

export interface NftErrorOptions {
  readonly operation?: Operation | undefined;
  readonly kernelMessage?: string | undefined;
  readonly cause?: unknown;
}

/** Something that was to be used, changed or deleted does not exist. */
export function isNotFound(error: unknown): error is NftError {
  return error instanceof NftError && error.code === 'ENOENT';
}

/** Something that was to be created exists, or exists with another definition. */
export function isExists(error: unknown): error is NftError {
  return error instanceof NftError && error.code === 'EEXIST';
}

/** Something that was to be deleted is still referred to. */
export function isBusy(error: unknown): error is NftError {
  return error instanceof NftError && error.code === 'EBUSY';
}

/** Others have changed something since the generation that the transaction was made for. */
export function isOutdated(error: unknown): error is NftError {
  return error instanceof NftError && error.code === 'ERESTART';
}

/** The kernel lacks the feature, or has it not in this place (masquerade outside postrouting, for instance). */
export function isNoSupport(error: unknown): error is NftError {
  return error instanceof NftError && error.code === 'EOPNOTSUPP';
}

/** The kernel refused a transaction or a listing, for whatever reason. */
export function isNftError(error: unknown): error is NftError {
  return error instanceof NftError;
}
