import type { Acknowledgement, NlMessage } from './codec/message.ts';
import { NetlinkError } from './error.ts';
import type { Answer, Collection } from './inbox.ts';
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

const SUCCESS: Acknowledgement = { errno: 0, unknown: [] };

/** What most requests come to. */
const DONE: Outcome = { error: undefined, replies: [] };

/** What an answer means for its request; none means success, unless answers were lost. */
export function outcomeOf(request: NetlinkRequest, answer: Answer | undefined, lost: boolean): Outcome {
  if (answer === undefined) return lost ? refused(answersLost(describeRequest(request))) : DONE;
  const { acknowledgement = SUCCESS } = answer;
  if (acknowledgement.errno !== 0) {
    const error = new NetlinkError(describeRequest(request), acknowledgement);
    return { error, replies: answer.replies };
  }
  if (answer.cutOff) {
    const what = `${describeRequest(request)}: the answer was longer than the buffer for it`;
    return refused(new NetlinkError(what, { errno: EMSGSIZE }));
  }
  if (acknowledgement.message !== undefined) {
    return { error: undefined, replies: answer.replies, warning: acknowledgement.message };
  }
  return answer.replies.length === 0 ? DONE : { error: undefined, replies: answer.replies };
}

/**
 * Reads a table by `attempt` until nothing changed meanwhile and nothing was cut off.
 * @throws NetlinkError; EINTR when no attempt was left alone
 */
export function completeDump(request: NetlinkRequest, attempt: () => Collection): readonly NlMessage[] {
  for (let tries = 0; tries < DUMP_TRIES; tries++) {
    const { answers, lost } = attempt();
    const answer = answers[0];
    // A longer buffer is there now.
    if (answer?.cutOff) continue;
    const { error, replies } = outcomeOf(request, answer, lost);
    if (error !== undefined) throw error;
    if (!answer?.interrupted) return replies;
  }
  const why = `the table changed during each of ${DUMP_TRIES} attempts to read it`;
  throw new NetlinkError(`${describeRequest(request)}: ${why}`, { errno: EINTR });
}

/** The kernel found no room in the receive buffer for what it had to say about `what`. */
export function answersLost(what: string): NetlinkError {
  return new NetlinkError(`${what}: the kernel's answer was lost`, { errno: ENOBUFS });
}

function refused(error: NetlinkError): Outcome {
  return { error, replies: [] };
}
