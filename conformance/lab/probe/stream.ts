/** A steady stream of numbered datagrams, to show that traffic keeps flowing while something is killed. */
import { createSocket, type Socket } from 'node:dgram';
import { PROBE_PORT, type StreamAnswer } from './protocol.ts';

export class Stream {
  readonly #socket: Socket;
  readonly #timer: Timer;
  readonly #arrived = new Set<string>();
  #sent = 0;
  #last: number = performance.now();
  #longestGap = 0;
  #waiter: { readonly count: number; readonly resolve: () => void } | undefined;

  constructor(host: string, intervalMs: number) {
    this.#socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
    this.#socket.on('error', () => {});
    this.#socket.on('message', (message) =>
      this.#receive(message.toString('latin1').split(' ')[0] as string),
    );
    this.#timer = setInterval(
      () => this.#socket.send(`stream-${++this.#sent}`, PROBE_PORT, host, () => {}),
      intervalMs,
    );
  }

  /** Resolves when `count` more echoes have arrived; rejects after `timeout` ms. */
  async more(count: number, timeout: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const before = this.#arrived.size;
    this.#waiter = { count: before + count, resolve };
    const timer = setTimeout(
      () =>
        reject(new Error(`${this.#arrived.size - before} of ${count} datagrams came back in ${timeout} ms`)),
      timeout,
    );
    await promise.finally(() => clearTimeout(timer));
  }

  /** Stops sending, waits up to `drain` ms for what is under way, and reports. */
  async stop(drain: number): Promise<StreamAnswer> {
    clearInterval(this.#timer);
    const missing = this.#sent - this.#arrived.size;
    if (missing > 0) await this.more(missing, drain).catch(() => {});
    this.#socket.close();
    return { sent: this.#sent, received: this.#arrived.size, longestGap: Math.round(this.#longestGap) };
  }

  #receive(nonce: string): void {
    const now = performance.now();
    this.#longestGap = Math.max(this.#longestGap, now - this.#last);
    this.#last = now;
    this.#arrived.add(nonce);
    if (this.#waiter !== undefined && this.#arrived.size >= this.#waiter.count) this.#waiter.resolve();
  }
}
