/**
 * Traffic that goes on while something is exchanged below it: connections that stay open and echo, new ones, and datagrams.
 * What happened is asked for in sections, so that each act has figures of its own while the connections live on.
 */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { connect, type Socket } from 'node:net';
import { tcp } from './client.ts';
import { type FlowCounts, PROBE_PORT } from './protocol.ts';

/** A new connection that is not answered within this time, in ms, has failed. */
const CONNECT_LIMIT = 3_000;
/** New connections are opened this many times more seldom than the others echo: each costs both ends a socket. */
const NEW_EVERY = 5;

/** What every kind of traffic counts. `missing` is told of what is older than `before` (ms, monotonic). */
interface Traffic {
  tick(): void;
  section(before: number): Partial<FlowCounts>;
  close(): void;
}

export class Flows {
  readonly #traffic: readonly Traffic[];
  readonly #timer: Timer;

  /** @param hosts each gets `connections` of them; everything happens every `interval` ms */
  constructor(hosts: readonly string[], connections: number, interval: number) {
    this.#traffic = hosts.flatMap((host): Traffic[] => [
      ...Array.from({ length: connections }, () => new Echoes(host)),
      new Datagrams(host),
      new NewConnections(host),
    ]);
    this.#timer = setInterval(() => {
      for (const traffic of this.#traffic) traffic.tick();
    }, interval);
  }

  /** What happened since the last section; what was sent in the last `drain` ms is left for the next. */
  section(drain: number): FlowCounts {
    const before = performance.now() - drain;
    const sum = { connections: 0, lost: 0, echoes: 0, missing: 0, opened: 0, failed: 0, longestGap: 0 };
    for (const traffic of this.#traffic) {
      for (const [key, value] of Object.entries(traffic.section(before)) as [keyof FlowCounts, number][])
        sum[key] = key === 'longestGap' ? Math.max(sum[key], Math.ceil(value)) : sum[key] + value;
    }
    return sum;
  }

  stop(): void {
    clearInterval(this.#timer);
    for (const traffic of this.#traffic) traffic.close();
  }
}

/** Longest time between two answers, in ms, the one that goes on included. */
class Gap {
  #last: number | undefined;
  #longest = 0;

  /** Nothing can be late before the first answer. */
  answered(): void {
    const now = performance.now();
    if (this.#last !== undefined) this.#longest = Math.max(this.#longest, now - this.#last);
    this.#last = now;
  }

  take(): number {
    const { longestGap } = this;
    this.#longest = 0;
    return longestGap;
  }

  get longestGap(): number {
    return Math.max(this.#longest, this.#last === undefined ? 0 : performance.now() - this.#last);
  }
}

/** One connection on which a line comes back for each that goes out. */
class Echoes implements Traffic {
  readonly #socket: Socket;
  readonly #gap = new Gap();
  #open = false;
  #lost = false;
  #told = false;
  #answers = 0;

  constructor(host: string) {
    this.#socket = connect({ host, port: PROBE_PORT, noDelay: true });
    this.#socket.on('connect', () => {
      this.#socket.write('{"echo":true}\n');
      this.#open = true;
    });
    this.#socket.on('data', (chunk) => {
      for (const byte of chunk) if (byte === NEWLINE) this.#answers++;
      this.#gap.answered();
    });
    this.#socket.on('error', () => {});
    this.#socket.on('close', () => {
      this.#lost = true;
    });
  }

  tick(): void {
    if (this.#open && !this.#lost) this.#socket.write('echo\n');
  }

  section(): Partial<FlowCounts> {
    // One that ends is lost once; one that only stands still shows in the gap.
    const lost = (this.#lost || !this.#open) && !this.#told ? 1 : 0;
    if (lost === 1) this.#told = true;
    const echoes = this.#answers;
    this.#answers = 0;
    return { connections: 1, lost, echoes, longestGap: this.#gap.take() };
  }

  close(): void {
    this.#socket.destroy();
  }
}

const NEWLINE = 10;

/** Numbered datagrams. */
class Datagrams implements Traffic {
  readonly #socket: UdpSocket;
  readonly #host: string;
  readonly #name = Math.random().toString(36).slice(2);
  readonly #gap = new Gap();
  /** When each that has not come back was sent, by number. */
  readonly #waiting = new Map<number, number>();
  #sent = 0;
  #echoes = 0;

  constructor(host: string) {
    this.#host = host;
    this.#socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
    this.#socket.on('error', () => {});
    this.#socket.on('message', (message) => {
      const number = Number(message.toString('latin1').split(/[- ]/)[1]);
      if (!this.#waiting.delete(number)) return;
      this.#echoes++;
      this.#gap.answered();
    });
  }

  tick(): void {
    const number = ++this.#sent;
    this.#waiting.set(number, performance.now());
    this.#socket.send(`${this.#name}-${number}`, PROBE_PORT, this.#host, () => {});
  }

  section(before: number): Partial<FlowCounts> {
    let missing = 0;
    for (const [number, at] of this.#waiting) {
      if (at > before) break;
      missing++;
      this.#waiting.delete(number);
    }
    const echoes = this.#echoes;
    this.#echoes = 0;
    return { echoes, missing, longestGap: this.#gap.take() };
  }

  close(): void {
    this.#socket.close();
  }
}

/** A connection, a question, an answer, the end. */
class NewConnections implements Traffic {
  readonly #host: string;
  #ticks = 0;
  #opened = 0;
  #failed = 0;

  constructor(host: string) {
    this.#host = host;
  }

  tick(): void {
    if (this.#ticks++ % NEW_EVERY !== 0) return;
    tcp(this.#host, CONNECT_LIMIT).then(
      () => {
        this.#opened++;
      },
      () => {
        this.#failed++;
      },
    );
  }

  section(): Partial<FlowCounts> {
    const counts = { opened: this.#opened, failed: this.#failed };
    this.#opened = 0;
    this.#failed = 0;
    return counts;
  }

  close(): void {}
}
