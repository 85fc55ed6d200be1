import { SyscallError } from '../../sys/errno.ts';
import { decodeMessages, encodeMessage, NLM_F, NLMSG, type NlMessage } from '../codec/message.ts';
import type { BufferSizes, Transport } from '../transport.ts';

/** What a scripted kernel does with one send: the datagrams that it answers; 'overrun' stands for ENOBUFS. */
export type Script = (messages: readonly NlMessage[]) => (Uint8Array | 'overrun')[];

/** A transport whose other end is a function instead of the kernel. */
export class ScriptedTransport implements Transport {
  readonly portId = 4711;
  /** The messages of each send. */
  readonly sends: NlMessage[][] = [];
  /** What `reserve` allows at most. */
  limits: BufferSizes = { send: 1 << 20, receive: 8 << 20 };
  closed = false;
  readonly #script: Script;
  readonly #inbox: (Uint8Array | 'overrun')[] = [];

  constructor(script: Script) {
    this.#script = script;
  }

  send(bytes: Uint8Array): void {
    if (bytes.length > this.limits.send) throw new SyscallError('sendto', 90);
    const messages = decodeMessages(bytes.slice());
    this.sends.push(messages);
    this.#inbox.push(...this.#script(messages));
  }

  receive(buffer: Uint8Array, _waitMs: number): number {
    const next = this.#inbox.shift();
    if (next === undefined) return -1;
    if (next === 'overrun') throw new SyscallError('recvfrom', 105);
    buffer.set(next.subarray(0, buffer.length));
    return next.length;
  }

  reserve(send: number, receive: number): BufferSizes {
    return { send: Math.min(send, this.limits.send), receive: Math.min(receive, this.limits.receive) };
  }

  [Symbol.dispose](): void {
    this.closed = true;
  }
}

/** The datagram that acknowledges `request`, or refuses it with a positive errno. */
export function acknowledge(
  request: NlMessage,
  errno = 0,
  attributes: Uint8Array = new Uint8Array(),
): Uint8Array {
  const payload = new Uint8Array(20 + attributes.length);
  new DataView(payload.buffer).setInt32(0, -errno, true);
  payload.set(encodeMessage({ ...request, payload: new Uint8Array() }), 4);
  payload.set(attributes, 20);
  const flags = NLM_F.CAPPED | (attributes.length > 0 ? NLM_F.ACK_TLVS : 0);
  return encodeMessage({ type: NLMSG.ERROR, flags, seq: request.seq, pid: 4711, payload });
}

/** A datagram of a dump: objects and, with a number, the end of it. */
export function dumped(
  request: NlMessage,
  objects: readonly string[],
  end?: number,
  extraFlags = 0,
): Uint8Array {
  const flags = NLM_F.MULTI | extraFlags;
  const parts = objects.map((text) =>
    encodeMessage({ type: 99, flags, seq: request.seq, pid: 4711, payload: new TextEncoder().encode(text) }),
  );
  if (end !== undefined) {
    const payload = new Uint8Array(4);
    new DataView(payload.buffer).setInt32(0, -end, true);
    parts.push(encodeMessage({ type: NLMSG.DONE, flags, seq: request.seq, pid: 4711, payload }));
  }
  return new Uint8Array(parts.flatMap((part) => [...part]));
}
