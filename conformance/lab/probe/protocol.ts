/** What the lab asks a probe and what it answers: one JSON object a line, on the probe's stdin and stdout. */

/** Port of a probe's TCP and UDP servers. */
export const PROBE_PORT: number = 7100;

/** What a probe is asked to do. Times are in milliseconds. */
export type ProbeRequest =
  /** Connects, by default to PROBE_PORT, and asks the server which address it sees, and which one it has. */
  | { readonly op: 'tcp'; readonly host: string; readonly port?: number; readonly timeout: number }
  /** Sends a datagram, again every 200 ms, until the echo is here. */
  | { readonly op: 'udp'; readonly host: string; readonly nonce: string; readonly timeout: number }
  /** Fetches `bytes` of generated data and compares the digest with that of its own copy. */
  | {
      readonly op: 'transfer';
      readonly host: string;
      readonly bytes: number;
      readonly seed: number;
      readonly timeout: number;
    }
  /** Runs ping(8) once; `size` is the whole IP packet's, in bytes, and forbids fragmentation. */
  | { readonly op: 'ping'; readonly host: string; readonly size?: number; readonly timeout: number }
  /** Starts a numbered datagram every `interval` ms to `host`. */
  | { readonly op: 'stream'; readonly host: string; readonly interval: number }
  /** Ends the stream after waiting `drain` ms for late echoes. */
  | { readonly op: 'stopStream'; readonly drain: number }
  /** Resolves once `count` more echoes of the running stream have arrived. */
  | { readonly op: 'streamed'; readonly count: number; readonly timeout: number }
  /** Opens connections that stay, and sends on them, by datagrams and by new ones every `interval` ms. */
  | {
      readonly op: 'flows';
      readonly hosts: readonly string[];
      readonly connections: number;
      readonly interval: number;
    }
  /** What happened since the last such request; datagrams younger than `drain` ms may still come. */
  | { readonly op: 'flowed'; readonly drain: number }
  | { readonly op: 'stopFlows' }
  /** Which address the datagram with this nonce came from, once it has arrived. */
  | { readonly op: 'saw'; readonly nonce: string; readonly timeout: number }
  /** Asks `url` until it answers 200. */
  | { readonly op: 'ready'; readonly url: string; readonly timeout: number };

export interface TcpAnswer {
  /** Address the client's end has. */
  readonly local: string;
  /** The client's address as the server sees it. */
  readonly seen: string;
  /** The server's own, which need not be the one that was asked for. */
  readonly by: string;
}
export interface UdpAnswer {
  readonly seen: string;
  readonly sent: number;
}
export interface TransferAnswer {
  readonly bytes: number;
  readonly ms: number;
}
export interface StreamAnswer {
  readonly sent: number;
  readonly received: number;
  /** Longest time without an echo, in ms. */
  readonly longestGap: number;
}
/** What a section of flows was like. */
export interface FlowCounts {
  /** Connections that stay, and those that ended in this section. */
  readonly connections: number;
  readonly lost: number;
  /** Answers, on connections and by datagrams. */
  readonly echoes: number;
  /** Datagrams that did not come back. */
  readonly missing: number;
  /** New connections that were answered, and that were not. */
  readonly opened: number;
  readonly failed: number;
  /** Longest time without an answer on a connection or of datagrams, in ms. */
  readonly longestGap: number;
}
export interface SawAnswer {
  readonly from: string;
}

/** Answer type of each request. */
export interface ProbeAnswers {
  readonly tcp: TcpAnswer;
  readonly udp: UdpAnswer;
  readonly transfer: TransferAnswer;
  readonly ping: object;
  readonly stream: object;
  readonly stopStream: StreamAnswer;
  readonly streamed: object;
  readonly flows: object;
  readonly flowed: FlowCounts;
  readonly stopFlows: object;
  readonly saw: SawAnswer;
  readonly ready: object;
}

export type Envelope = ProbeRequest & { readonly id: number };
export type Reply = { readonly id: number } & ({ readonly answer: unknown } | { readonly error: string });

/** An IPv4 peer of a dual-stack socket without its `::ffff:` prefix. */
export function plainAddress(address: string | undefined): string {
  return (address ?? '').replace(/^::ffff:(?=\d+\.)/, '');
}

/** Pseudo-random bytes that both ends can make on their own (xorshift32; Marsaglia 2003). */
export function generate(bytes: number, seed: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(bytes / 4));
  let x = (seed | 1) >>> 0;
  for (let i = 0; i < words.length; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    words[i] = x;
  }
  return new Uint8Array(words.buffer, 0, bytes);
}
