/**
 * The codes a CNI plugin answers with. 1–7 and 11 are the well-known codes of the specification's section 5, 50 and
 * 51 those of its STATUS operation; 8 and 999 are not in the specification, but every plugin built on the reference
 * library uses them, so runtimes already know them. 100 and above belong to each plugin.
 */
export const CniCode = {
  IncompatibleVersion: 1,
  UnsupportedField: 2,
  UnknownContainer: 3,
  InvalidEnvironment: 4,
  IoFailure: 5,
  DecodingFailure: 6,
  InvalidConfig: 7,
  InvalidNetns: 8,
  TryAgainLater: 11,
  Unavailable: 50,
  LimitedConnectivity: 51,
  Internal: 999,
} as const;

/** What a CniError carries besides code and message. */
export interface CniErrorOptions {
  /** The longer text: what was found, what to look at. */
  readonly details?: string | undefined;
  readonly cause?: unknown;
}

/**
 * An error that is the plugin's answer: it reaches the runtime as `{cniVersion, code, msg, details}` on stdout.
 * The message says what is wrong and what to do about it. Throw it through the factories below.
 */
export class CniError extends Error {
  override readonly name = 'CniError';
  readonly code: number;
  readonly details: string | undefined;

  constructor(code: number, message: string, options: CniErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details;
  }
}

/** True when `error` is a CniError, and with one of `codes` if any are given. */
export function isCniError(error: unknown, ...codes: number[]): error is CniError {
  return error instanceof CniError && (codes.length === 0 || codes.includes(error.code));
}

/** Code 1: the configuration's (or a result's) CNI version is not one that can be served. */
export function incompatibleVersion(message: string, options?: CniErrorOptions): CniError {
  return new CniError(CniCode.IncompatibleVersion, message, options);
}

/** Code 2: a key that this plugin does not implement. The specification wants key and value in the message. */
export function unsupportedField(key: string, value: unknown, advice: string): CniError {
  const shown = JSON.stringify(value) ?? String(value);
  const short = shown.length > 200 ? `${shown.slice(0, 200)}…` : shown;
  return new CniError(CniCode.UnsupportedField, `"${key}": ${short} is not supported: ${advice}`);
}

/** Code 4: a CNI_* variable is missing or wrong. The message names the variable. */
export function invalidEnvironment(message: string, options?: CniErrorOptions): CniError {
  return new CniError(CniCode.InvalidEnvironment, message, options);
}

/** Code 5: a file, socket or process failed. */
export function ioFailure(message: string, options?: CniErrorOptions): CniError {
  return new CniError(CniCode.IoFailure, message, options);
}

/** Code 6: bytes that are no JSON, or JSON of the wrong types. */
export function decodingFailure(message: string, options?: CniErrorOptions): CniError {
  return new CniError(CniCode.DecodingFailure, message, options);
}

/** Code 7: a configuration that decodes but makes no sense. */
export function invalidConfig(message: string, options?: CniErrorOptions): CniError {
  return new CniError(CniCode.InvalidConfig, message, options);
}

/** Code 8: CNI_NETNS names no usable network namespace. */
export function invalidNetns(message: string, options?: CniErrorOptions): CniError {
  return new CniError(CniCode.InvalidNetns, message, options);
}

/** Code 11: a passing condition (a lock, a busy kernel); the runtime retries the same call. */
export function tryAgainLater(message: string, options?: CniErrorOptions): CniError {
  return new CniError(CniCode.TryAgainLater, message, options);
}

/** Code 50, STATUS: ADD cannot be served now. */
export function unavailable(message: string, options?: CniErrorOptions): CniError {
  return new CniError(CniCode.Unavailable, message, options);
}

/** Code 51, STATUS: ADD cannot be served now, and running containers may have lost connectivity. */
export function limitedConnectivity(message: string, options?: CniErrorOptions): CniError {
  return new CniError(CniCode.LimitedConnectivity, message, options);
}

/** Code 999: our own fault, or something nobody foresaw. */
export function internalError(message: string, options?: CniErrorOptions): CniError {
  return new CniError(CniCode.Internal, message, options);
}
