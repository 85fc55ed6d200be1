/** One TCP connection that asks and is answered, without ever blocking. */

import { errnoName } from '../../../shared/sys/errno.ts';
import type { Fd, OwnedFd } from '../../../shared/sys/fd.ts';
import { getOption } from '../../../shared/sys/socket.ts';
import { syscall } from '../../../shared/sys/syscall.ts';
import { bindInet, connectInet, errorOf, openInet, receiveFrom, sendTo } from '../packets/inet-socket.ts';
import type { Target } from './report.ts';

/** POLLIN and POLLOUT of asm-generic/poll.h. */
const POLLIN = 1;
const POLLOUT = 4;
/** SOL_SOCKET and SO_LINGER of asm-generic/socket.h; struct linger is two ints: on, and for no time. */
const SOL_SOCKET = 1;
const SO_LINGER = 13;
const AT_ONCE = Int32Array.of(1, 0);
/** SOL_TCP, TCP_INFO and the place of tcpi_total_retrans in it (linux/tcp.h). */
const SOL_TCP = 6;
const TCP_INFO = 11;
const TOTAL_RETRANS = 100;
/** A packet is sent again no earlier than after this (TCP_RTO_MIN of net/tcp.h), ms. */
const SOONEST_RESEND = 190;

export type Outcome = { readonly by: string } | { readonly failure: string } | 'ended';

let words = 0;

export class Connection {
  readonly target: Target;
  /** Monotonic ms, and ms since the epoch. */
  readonly startedAt: number = performance.now();
  readonly openedAt: number = Date.now();
  readonly #socket: OwnedFd;
  #isConnected = false;
  #word = '';
  #received = '';
  #askedAt: number = this.startedAt;
  #answeredAt: number = this.startedAt;
  /** errno of an error that came at once. */
  readonly #early: number;

  constructor(target: Target) {
    this.target = target;
    this.#socket = openInet(undefined, target.address.includes(':') ? 6 : 4, 'tcp');
    // Closing resets: no port waits for late packets, and the server's half is gone with ours.
    syscall('setsockopt', 'SO_LINGER', this.fd, SOL_SOCKET, SO_LINGER, AT_ONCE, 8);
    if (target.from !== undefined) bindInet(this.fd, target.from, 0);
    this.#early = connectInet(this.fd, target.address, target.port);
  }

  get fd(): Fd {
    return this.#socket.fd;
  }

  /** What to poll for. */
  get events(): number {
    return this.#isConnected ? POLLIN : POLLOUT;
  }

  /** Something is asked and not answered yet. */
  get isAsking(): boolean {
    return !this.#isConnected || this.#word !== '';
  }

  /** When that was asked; the connection itself is the first question (monotonic ms). */
  get askedAt(): number {
    return this.#askedAt;
  }

  /** When the last answer was there (monotonic ms). */
  get answeredAt(): number {
    return this.#answeredAt;
  }

  /** What the silence is about. */
  get silence(): string {
    return this.#isConnected ? 'no answer' : 'no connection';
  }

  /** Asks again, once connected. */
  ask(): Outcome | undefined {
    words += 1;
    this.#word = `${process.pid}-${words}`;
    this.#askedAt = performance.now();
    const error = sendTo(this.fd, `${this.#word}\n`);
    return error > 0 ? { failure: `send: ${errnoName(error)}` } : undefined;
  }

  /** Goes on after poll(2) said that it can; `undefined`: not there yet. */
  advance(): Outcome | undefined {
    if (this.#early !== 0) return { failure: `connect: ${errnoName(this.#early)}` };
    if (!this.#isConnected) {
      const error = errorOf(this.fd);
      if (error !== 0) return { failure: `connect: ${errnoName(error)}` };
      this.#isConnected = true;
      const { startedAt } = this;
      const failure = this.ask();
      this.#askedAt = startedAt;
      return failure;
    }
    const got = receiveFrom(this.fd);
    if (got === undefined) return undefined;
    if (typeof got === 'number') return { failure: `receive: ${errnoName(got)}` };
    if (got.text === '')
      return this.#word === '' || this.#received === '' ? 'ended' : { failure: 'half an answer' };
    this.#received += got.text;
    if (!this.#received.endsWith('\n')) return undefined;
    const [word, by = ''] = this.#received.trimEnd().split(' ');
    this.#received = '';
    if (word !== this.#word) return { failure: `"${word}" in place of "${this.#word}"` };
    this.#word = '';
    this.#answeredAt = performance.now();
    return { by };
  }

  /** Whether a packet had to be sent again. */
  isResent(tookMs: number): boolean {
    if (tookMs < SOONEST_RESEND) return false;
    const info = getOption(this.fd, SOL_TCP, TCP_INFO, TOTAL_RETRANS + 4);
    return new DataView(info.buffer).getUint32(TOTAL_RETRANS, true) > 0;
  }

  close(): void {
    this.#socket.close();
  }
}
