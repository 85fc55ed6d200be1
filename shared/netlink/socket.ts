import type { Fd, OwnedFd } from '../sys/fd.ts';
import { NLM_F, type NlMessage, writeMessage } from './codec/message.ts';
import { ByteWriter } from './codec/wire.ts';
import { type Answer, Inbox } from './inbox.ts';
import { answersLost, completeDump, type Outcome, outcomeOf } from './outcome.ts';
import type { NetlinkRequest } from './request.ts';
import { answerSpaceOf, makeRoom, planSends } from './sends.ts';
import { openTransport, type Transport } from './transport.ts';

export type { Answer } from './inbox.ts';
export type { Outcome } from './outcome.ts';

/** Up to this many requests are all acknowledged, because an acknowledgement can carry a warning. */
const FEW = 32;

/** No answer at all. */
const SILENCE: Answer = { acknowledgement: undefined, replies: [], interrupted: false, cutOff: false };

/** A netlink socket of any protocol. All its methods are synchronous: the kernel answers while it takes a request. */
export class NetlinkSocket implements Disposable {
  readonly #transport: Transport;
  readonly #inbox: Inbox;
  readonly #writer = new ByteWriter(4096);
  #nextSequence = 1;

  /** Takes ownership of `transport`. */
  constructor(transport: Transport) {
    this.#transport = transport;
    this.#inbox = new Inbox(transport);
  }

  /**
   * Opens a socket for a protocol (NETLINK.ROUTE, …) in a namespace, by default the calling thread's.
   * @throws SyscallError EPROTONOSUPPORT when the kernel lacks the protocol
   */
  static open(protocol: number, options: { readonly netns?: OwnedFd } = {}): NetlinkSocket {
    return new NetlinkSocket(openTransport(protocol, options.netns));
  }

  /** The descriptor, still owned by this object; undefined with a scripted transport. */
  get fd(): Fd | undefined {
    return this.#transport.socket?.fd;
  }

  /** The socket's address. */
  get portId(): number {
    return this.#transport.portId;
  }

  /**
   * Sends all requests at once and returns what became of each, in their order. The kernel carries them out one by
   * one and goes on after one that failed. More than the socket's buffers hold is split.
   *
   * A failure is always reported; of more than a few requests only the last of each send asks for an acknowledgement,
   * which the kernel gives when it has carried out all of them.
   *
   * When the kernel lost answers for want of room, the requests without one get the error ENOBUFS; whether they were
   * carried out is then unknown.
   *
   * @throws SyscallError when sending fails
   */
  transact(requests: readonly NetlinkRequest[]): Outcome[] {
    const outcomes: Outcome[] = [];
    for (const { from, to, bytes } of planSends(requests, this.#transport)) {
      const count = to - from;
      const first = this.takeSequence(count);
      this.#writer.reset();
      this.#writer.reserve(bytes);
      for (let i = 0; i < count; i++) {
        const flags = count <= FEW || i === count - 1 ? NLM_F.ACK : 0;
        this.#write(requests[from + i] as NetlinkRequest, flags, first + i);
      }
      this.#transport.send(this.#writer.view());
      const { answers, lost } = this.#inbox.collect({ first, count, last: true });
      for (let i = 0; i < count; i++) {
        outcomes.push(outcomeOf(requests[from + i] as NetlinkRequest, answers[i], lost));
      }
    }
    return outcomes;
  }

  /**
   * Sends one request and returns what the kernel answered besides the acknowledgement.
   * @throws NetlinkError
   */
  request(request: NetlinkRequest): readonly NlMessage[] {
    const [outcome] = this.transact([request]);
    if (outcome?.error !== undefined) throw outcome.error;
    return outcome?.replies ?? [];
  }

  /**
   * Sends all requests at once as `transact` does.
   * @throws NetlinkError the first failure, after the kernel has seen all of them
   */
  requestAll(requests: readonly NetlinkRequest[]): void {
    for (const { error } of this.transact(requests)) if (error !== undefined) throw error;
  }

  /**
   * Reads a whole table; one that changed meanwhile is read again.
   * @throws NetlinkError; EINTR when it changed at every try
   */
  dump(request: NetlinkRequest): readonly NlMessage[] {
    return completeDump(request, () => {
      const first = this.takeSequence(1);
      this.#writer.reset();
      this.#write(request, NLM_F.DUMP, first);
      this.#transport.send(this.#writer.view());
      return this.#inbox.collect({ first, count: 1, last: true });
    });
  }

  /**
   * Sends messages in one datagram, which is never split, with their flags as given plus REQUEST: only those that
   * carry NLM_F.ACK are acknowledged, the others are answered only when they fail. For nfnetlink's batches.
   * @throws SyscallError EMSGSIZE when it is more than the socket's send buffer can be raised to
   */
  batch(requests: readonly NetlinkRequest[]): Answer[] {
    const first = this.takeSequence(requests.length);
    this.#writer.reset();
    for (let i = 0; i < requests.length; i++) this.#write(requests[i] as NetlinkRequest, 0, first + i);
    return this.exchange(this.#writer.view(), first, requests.length);
  }

  /** The first of `count` sequence numbers, for messages that the caller writes itself. */
  takeSequence(count: number): number {
    // Numbers start anew before they would exceed nlmsg_seq, a u32; 0 is what multicast events carry.
    if (this.#nextSequence + count > 0xffff_ffff) this.#nextSequence = 1;
    const first = this.#nextSequence;
    this.#nextSequence += count;
    return first;
  }

  /**
   * Sends a datagram of messages written by the caller, numbered without a gap from `first` (of `takeSequence`), and
   * collects what comes back for each until the kernel has nothing more to say.
   * @throws SyscallError EMSGSIZE as `batch`
   * @throws NetlinkError ENOBUFS when answers were lost, so that silence does not mean success
   */
  exchange(bytes: Uint8Array, first: number, count: number): Answer[] {
    makeRoom(this.#transport, bytes.length, answerSpaceOf(count));
    this.#transport.send(bytes);
    const { answers, lost } = this.#inbox.collect({ first, count, last: false });
    if (lost) throw answersLost(`${count} messages`);
    const complete: Answer[] = [];
    for (const answer of answers) complete.push(answer ?? SILENCE);
    return complete;
  }

  [Symbol.dispose](): void {
    this.#transport[Symbol.dispose]();
  }

  #write(request: NetlinkRequest, flags: number, seq: number): void {
    const { type, payload } = request;
    writeMessage(this.#writer, type, request.flags | flags | NLM_F.REQUEST, seq, 0, payload);
  }
}
