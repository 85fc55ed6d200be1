import { errnoMeaning, errnoName } from '../sys/errno.ts';
import type { Acknowledgement } from './codec/message.ts';

/** The kernel refused a request. */
export class NetlinkError extends Error {
  override readonly name = 'NetlinkError';
  /** errno's name: 'EEXIST'. */
  readonly code: string;
  /** Positive errno. */
  readonly errno: number;
  /** What was asked for, in words. */
  readonly request: string;
  /** The sentence of the kernel's extended acknowledgement, if it gave one. */
  readonly kernelMessage: string | undefined;
  /** Where in the request, counted from the start of its header, the attribute at fault lies. */
  readonly offset: number | undefined;
  /** Type of the attribute that the request lacks. */
  readonly missingType: number | undefined;
  /** Offset of the nest that lacks it; undefined for the top level. */
  readonly missingNest: number | undefined;

  constructor(request: string, refusal: Omit<Acknowledgement, 'unknown'>, options?: ErrorOptions) {
    const code = errnoName(refusal.errno);
    const meaning = errnoMeaning(code);
    const details = [meaning === code ? code : `${meaning} (${code})`];
    if (refusal.message !== undefined) details.push(`kernel: ${refusal.message}`);
    if (refusal.missingType !== undefined) details.push(`attribute ${refusal.missingType} is missing`);
    if (refusal.offset !== undefined) details.push(`at byte ${refusal.offset} of the request`);
    super(`${request}: ${details.join('; ')}`, options);
    this.code = code;
    this.errno = refusal.errno;
    this.request = request;
    this.kernelMessage = refusal.message;
    this.offset = refusal.offset;
    this.missingType = refusal.missingType;
    this.missingNest = refusal.missingNest;
  }
}

/** True for a NetlinkError with one of the errno names given, or with any if none is given. */
export function isNetlinkError(error: unknown, ...codes: string[]): error is NetlinkError {
  return error instanceof NetlinkError && (codes.length === 0 || codes.includes(error.code));
}
