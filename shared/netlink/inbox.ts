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

/** Which answers to collect. */
export interface Expected {
  /** The first of the sequence numbers. */
  readonly first: number;
  readonly count: number;
  /**
   * The last message will be answered, which ends the collection: the kernel works through a datagram in order, so
   * all earlier answers came before. Otherwise what is there is taken until there is nothing more, which is enough
   * because the kernel answers while it is being sent to.
   */
  readonly last: boolean;
}

/** What was collected. */
export interface Collection {
  /** By sequence number from `Expected.first`; undefined where the kernel said nothing. */
  readonly answers: readonly (Answer | undefined)[];
  /** Some answers were lost because the receive buffer was full: silence means nothing then. */
  readonly lost: boolean;
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

  collect(expected: Expected): Collection {
    const { first, count } = expected;
    const answers = new Array<Answer | undefined>(count).fill(undefined);
    let lost = false;
    while (!expected.last || answers[count - 1]?.acknowledgement === undefined) {
      const size = this.#receive(lost || !expected.last ? 0 : PATIENCE);
      if (size === 'nothing') return { answers, lost: lost || expected.last };
      if (size === 'overrun') lost = true;
      else this.#sort(size, first, answers);
    }
    return { answers, lost };
  }

  /** The length of a datagram that is in the buffer now. */
  #receive(waitMs: number): number | 'nothing' | 'overrun' {
    try {
      const size = this.#transport.receive(this.#buffer, waitMs);
      return size < 0 ? 'nothing' : size;
    } catch (error) {
      if (isErrno(error, 'ENOBUFS')) return 'overrun';
      throw error;
    }
  }

  /** Puts the messages of one datagram to their answers. */
  #sort(size: number, first: number, answers: (Answer | undefined)[]): void {
    const buffer = this.#buffer;
    if (size > buffer.length) {
      this.#cutOff(size, first, answers);
      return;
    }
    const plain = plainAcknowledgement(buffer, size);
    if (plain !== undefined) {
      const index = plain - first;
      if (index < 0 || index >= answers.length) return;
      if (answers[index] === undefined) answers[index] = ACKNOWLEDGED;
      else openAnswer(answers, index).acknowledgement = ACKNOWLEDGED.acknowledgement;
      return;
    }
    // The messages outlive the buffer.
    for (const message of decodeMessages(buffer.slice(0, size))) {
      const index = message.seq - first;
      if (index >= 0 && index < answers.length) addTo(openAnswer(answers, index), message);
    }
  }

  /** A datagram holds messages of one request only, and the header of the first one arrived. */
  #cutOff(size: number, first: number, answers: (Answer | undefined)[]): void {
    const index = u32(this.#buffer, 8) - first;
    this.#buffer = new Uint8Array(size * 2);
    if (index >= 0 && index < answers.length) openAnswer(answers, index).cutOff = true;
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

function addTo(answer: MutableAnswer, message: NlMessage): void {
  if ((message.flags & NLM_F.DUMP_INTR) !== 0) answer.interrupted = true;
  switch (message.type) {
    case NLMSG.NOOP:
    case NLMSG.OVERRUN:
      break;
    case NLMSG.ERROR:
    case NLMSG.DONE:
      answer.acknowledgement = decodeError(message);
      break;
    default:
      answer.replies.push(message);
  }
}
