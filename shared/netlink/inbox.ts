import { isErrno } from '../sys/errno.ts';
import {
  type Acknowledgement,
  decodeError,
  decodeMessages,
  HEADER_SIZE,
  NLM_F,
  NLMSG,
  type NlMessage,
} from './codec/message.ts';
import { i32, u16, u32 } from './codec/read.ts';
import type { Transport } from './transport.ts';

/** What came back for one sequence number. */
export interface Answer {
  /** Undefined when the kernel neither acknowledged nor refused the message. */
  readonly acknowledgement: Acknowledgement | undefined;
  readonly replies: readonly NlMessage[];
  /** A dump during which the table changed. */
  readonly interrupted: boolean;
  /** A reply was longer than the buffer and is not among `replies`. The buffer has grown since. */
  readonly cutOff: boolean;
}

type MutableAnswer = { -readonly [K in keyof Answer]: Answer[K] } & { replies: NlMessage[] };

/** Which answers to wait for. */
export interface Expected {
  /** The first of the sequence numbers. */
  readonly first: number;
  readonly count: number;
  /**
   * Every message will be answered, so that the last answer is known when it comes. Otherwise what is there is taken
   * until there is nothing more, which is enough because the kernel answers while it is being sent to.
   */
  readonly all: boolean;
}

/**
 * The receive buffer at first. The kernel fills dumps into datagrams of up to 32 KiB; a single object that is longer
 * makes the buffer grow.
 */
const INITIAL_BUFFER = 65_536;
/** Milliseconds. The kernel answers at once; this only keeps a lost answer from stopping the program for ever. */
const PATIENCE = 10_000;

/** Acknowledged, without more words. */
const ACKNOWLEDGED: Answer = {
  acknowledgement: { errno: 0, unknown: [] },
  replies: [],
  interrupted: false,
  cutOff: false,
};

/** Receives what the kernel answers and sorts it by sequence number. Answers to earlier requests are dropped. */
export class Inbox {
  readonly #transport: Transport;
  #buffer = new Uint8Array(INITIAL_BUFFER);

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /**
   * The answers, by sequence number from `expected.first`; undefined where none came.
   * @throws SyscallError ENOBUFS when answers were lost and not `expected.all`, because then nobody knows whose
   */
  collect(expected: Expected): (Answer | undefined)[] {
    const answers = new Array<Answer | undefined>(expected.count).fill(undefined);
    let open = expected.all ? expected.count : Number.POSITIVE_INFINITY;
    let lost: unknown;
    while (open > 0) {
      const size = this.#receive(lost === undefined && expected.all ? PATIENCE : 0);
      if (size === undefined) break;
      if (typeof size === 'number') open -= this.#sort(size, expected.first, answers);
      else lost = size.error;
    }
    if (lost !== undefined && !expected.all) throw lost;
    return answers;
  }

  /** The length of a datagram in the buffer, the error of an overrun, or undefined when there is nothing more. */
  #receive(waitMs: number): number | { readonly error: unknown } | undefined {
    try {
      const size = this.#transport.receive(this.#buffer, waitMs);
      return size < 0 ? undefined : size;
    } catch (error) {
      if (!isErrno(error, 'ENOBUFS')) throw error;
      return { error };
    }
  }

  /** Puts the messages of one datagram to their answers; returns how many answers that completed. */
  #sort(size: number, first: number, answers: (Answer | undefined)[]): number {
    const buffer = this.#buffer;
    if (size > buffer.length) return this.#cutOff(size, first, answers);
    const plain = plainAcknowledgement(buffer, size);
    if (plain !== undefined) {
      const index = plain - first;
      if (index < 0 || index >= answers.length) return 0;
      const answer = answers[index];
      if (answer === undefined) answers[index] = ACKNOWLEDGED;
      else (answer as MutableAnswer).acknowledgement = { errno: 0, unknown: [] };
      return 1;
    }
    let completed = 0;
    // The messages outlive the buffer.
    for (const message of decodeMessages(buffer.slice(0, size))) {
      const index = message.seq - first;
      if (index < 0 || index >= answers.length) continue;
      if (addTo(openAnswer(answers, index), message)) completed++;
    }
    return completed;
  }

  /** A datagram holds messages of one request only, and the header of the first one arrived. */
  #cutOff(size: number, first: number, answers: (Answer | undefined)[]): number {
    const index = u32(this.#buffer, 8) - first;
    this.#buffer = new Uint8Array(size * 2);
    if (index < 0 || index >= answers.length) return 0;
    openAnswer(answers, index).cutOff = true;
    return 0;
  }
}

/** The sequence number of a datagram that is nothing but one acknowledgement without remarks, the usual case. */
function plainAcknowledgement(buffer: Uint8Array, size: number): number | undefined {
  if (size < HEADER_SIZE + 4 || u32(buffer) !== size || u16(buffer, 4) !== NLMSG.ERROR) return undefined;
  if ((u16(buffer, 6) & NLM_F.ACK_TLVS) !== 0 || i32(buffer, HEADER_SIZE) !== 0) return undefined;
  return u32(buffer, 8);
}

function openAnswer(answers: (Answer | undefined)[], index: number): MutableAnswer {
  const found = answers[index];
  if (found !== undefined && found !== ACKNOWLEDGED) return found as MutableAnswer;
  const answer: MutableAnswer = {
    acknowledgement: found?.acknowledgement,
    replies: [],
    interrupted: false,
    cutOff: false,
  };
  answers[index] = answer;
  return answer;
}

/** Adds a message to its answer and tells whether it was the one that completes it. */
function addTo(answer: MutableAnswer, message: NlMessage): boolean {
  if ((message.flags & NLM_F.DUMP_INTR) !== 0) answer.interrupted = true;
  switch (message.type) {
    case NLMSG.NOOP:
    case NLMSG.OVERRUN:
      return false;
    case NLMSG.ERROR:
    case NLMSG.DONE: {
      const complete = answer.acknowledgement === undefined;
      answer.acknowledgement = decodeError(message);
      return complete;
    }
    default:
      answer.replies.push(message);
      return false;
  }
}
