import type { OwnedFd } from '../sys/fd.ts';
import type { Acknowledgement, NlMessage } from './codec/message.ts';
import type { NetlinkError } from './error.ts';
import type { NetlinkRequest } from './request.ts';
import { openTransport, type Transport } from './transport.ts';

/** What became of one request. */
export interface Outcome {
  /** Why the kernel refused it; undefined when it did as asked. */
  readonly error: NetlinkError | undefined;
  /** What the kernel answered besides the acknowledgement. */
  readonly replies: readonly NlMessage[];
  /** The kernel's remark on a request that it carried out. */
  readonly warning?: string;
}

/** What came back for one sequence number. */
export interface Answer {
  /** Undefined when the kernel neither acknowledged nor refused the message. */
  readonly acknowledgement: Acknowledgement | undefined;
  readonly replies: readonly NlMessage[];
}

/** A netlink socket of any protocol. All its methods are synchronous: the kernel answers while it takes a request. */
export class NetlinkSocket implements Disposable {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /**
   * Opens a socket for a protocol (NETLINK.ROUTE, …) in a namespace, by default the calling thread's.
   * @throws SyscallError EPROTONOSUPPORT when the kernel lacks the protocol
   */
  static open(protocol: number, options: { readonly netns?: OwnedFd } = {}): NetlinkSocket {
    return new NetlinkSocket(openTransport(protocol, options.netns));
  }

  /** The socket's address. */
  get portId(): number {
    return this.#transport.portId;
  }

  /**
   * Sends all requests at once, each to be acknowledged, and returns what became of each, in their order. The kernel
   * carries them out one by one and goes on after one that failed. More than the socket's buffers hold is split.
   */
  transact(requests: readonly NetlinkRequest[]): Outcome[] {
    throw new Error(`not built yet: ${requests.length}`);
  }

  /**
   * Sends one request and returns what the kernel answered besides the acknowledgement.
   * @throws NetlinkError
   */
  request(request: NetlinkRequest): readonly NlMessage[] {
    throw new Error(`not built yet: ${request.type}`);
  }

  /**
   * Sends all requests at once as `transact` does.
   * @throws NetlinkError the first failure, after the kernel has seen all of them
   */
  requestAll(requests: readonly NetlinkRequest[]): void {
    throw new Error(`not built yet: ${requests.length}`);
  }

  /**
   * Reads a whole table; one that changed meanwhile is read again.
   * @throws NetlinkError; EINTR when it changed at every try
   */
  dump(request: NetlinkRequest): readonly NlMessage[] {
    throw new Error(`not built yet: ${request.type}`);
  }

  /**
   * Sends messages in one datagram, which is never split, with their flags as given plus REQUEST: only those that
   * carry NLM_F.ACK are acknowledged, the others are answered only when they fail. For nfnetlink's batches.
   * @throws SyscallError EMSGSIZE when it is more than the socket's send buffer can be raised to
   */
  batch(requests: readonly NetlinkRequest[]): Answer[] {
    throw new Error(`not built yet: ${requests.length}`);
  }

  /** The first of `count` sequence numbers, for messages that the caller writes itself. */
  takeSequence(count: number): number {
    throw new Error(`not built yet: ${count}`);
  }

  /**
   * Sends a datagram of messages written by the caller, numbered without a gap from `first` (of `takeSequence`), and
   * collects what comes back for each until the kernel has nothing more to say.
   */
  exchange(bytes: Uint8Array, first: number, count: number): Answer[] {
    throw new Error(`not built yet: ${bytes.length} ${first} ${count}`);
  }

  [Symbol.dispose](): void {
    this.#transport[Symbol.dispose]();
  }
}
