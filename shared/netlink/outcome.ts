import type { NlMessage } from './codec/message.ts';
import { NetlinkError } from './error.ts';
import type { Answer } from './inbox.ts';
import { describeRequest, type NetlinkRequest } from './request.ts';

/** What became of one request. */
export interface Outcome {
  /** Why the kernel refused it; undefined when it did as asked. */
  readonly error: NetlinkError | undefined;
  /** What the kernel answered besides the acknowledgement. */
  readonly replies: readonly NlMessage[];
  /** The kernel's remark on a request that it carried out. */
  readonly warning?: string;
}

/** errno numbers, asm-generic/errno-base.h and errno.h. */
const EINTR = 4;
const EMSGSIZE = 90;
const ENOBUFS = 105;

/** A dump that was interrupted this often meets a table that never rests. */
const DUMP_TRIES = 50;

/** What most requests come to. */
const DONE: Outcome = { error: undefined, replies: [] };

/** What an answer means for its request. Without one, the kernel found no room for it in the receive buffer. */
export function outcomeOf(request: NetlinkRequest, answer: Answer | undefined): Outcome {
  const acknowledgement = answer?.acknowledgement;
  if (answer === undefined || acknowledgement === undefined)
    return failed(request, ENOBUFS, 'the answer was lost');
  if (acknowledgement.errno !== 0) {
    const error = new NetlinkError(describeRequest(request), acknowledgement);
    return { error, replies: answer.replies };
  }
  if (answer.cutOff) return failed(request, EMSGSIZE, 'the answer was longer than the buffer for it');
  if (acknowledgement.message !== undefined) {
    return { error: undefined, replies: answer.replies, warning: acknowledgement.message };
  }
  return answer.replies.length === 0 ? DONE : { error: undefined, replies: answer.replies };
}

/**
 * Reads a table by `attempt` until nothing changed meanwhile and nothing was cut off.
 * @throws NetlinkError; EINTR when no attempt was left alone
 */
export function completeDump(
  request: NetlinkRequest,
  attempt: () => Answer | undefined,
): readonly NlMessage[] {
  for (let tries = 0; tries < DUMP_TRIES; tries++) {
    const answer = attempt();
    // A longer buffer is there now.
    if (answer?.cutOff) continue;
    const { error, replies } = outcomeOf(request, answer);
    if (error !== undefined) throw error;
    if (!answer?.interrupted) return replies;
  }
  throw failed(request, EINTR, `the table changed during each of ${DUMP_TRIES} attempts to read it`).error;
}

function failed(request: NetlinkRequest, errno: number, message: string): Outcome {
  return { error: new NetlinkError(`${describeRequest(request)}: ${message}`, { errno }), replies: [] };
}
